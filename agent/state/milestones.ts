import type { DatabaseSync, StatementSync } from 'node:sqlite';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** One a minute is kept for so long, then one an hour. */
const MINUTES_KEPT_MS = 2 * HOUR_MS;
const HOURS_KEPT_MS = 7 * 24 * HOUR_MS;
/** Each generation is thinned so often, in its own minute. */
const THIN_EVERY = 10;
/** Of all generations; then a tenth goes, the oldest first. */
const ROWS_MAX = 200_000;

/** Where a generation was, and when. */
export interface Milestone {
  timeMs: number;
  position: number;
}

/**
 * Where generations were when, for those who want their lines since some time once more. Before a generation is written that has moved, what its row
 * said until then becomes a milestone, at most one a minute: so one that does not move costs nothing, and its row is its last milestone.
 */
export class Milestones {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #thin: StatementSync;
  readonly #find: StatementSync;
  readonly #deleteOldest: StatementSync;
  #minute = 0;
  /** The generations that have one in this minute. */
  readonly #marked = new Set<string>();
  readonly #count: StatementSync;
  #rows = 0;
  /** A flush writes, or has failed. */
  #open = true;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(`INSERT OR IGNORE INTO milestone SELECT generation, updated_ms, position FROM generation
      WHERE entry_uid = ? AND generation = ? AND position < ?`);
    this.#delete = db.prepare('DELETE FROM milestone WHERE generation = ?');
    // The last one of those that are too old tells where it was since then.
    this.#thin = db.prepare(`DELETE FROM milestone AS old WHERE generation = $generation AND (
      time_ms < $hours AND EXISTS (SELECT 1 FROM milestone WHERE generation = old.generation AND time_ms > old.time_ms AND time_ms < $hours)
      OR time_ms BETWEEN $hours AND $minutes AND EXISTS (SELECT 1 FROM milestone WHERE generation = old.generation
        AND time_ms < old.time_ms AND time_ms >= old.time_ms - old.time_ms % ${HOUR_MS} AND time_ms >= $hours))`);
    this.#find = db.prepare(`SELECT time_ms, position FROM (
        SELECT time_ms, position FROM milestone WHERE generation = $generation AND time_ms <= $time
        UNION ALL SELECT updated_ms, position FROM generation WHERE entry_uid = $entry AND generation = $generation AND updated_ms <= $time)
      ORDER BY time_ms DESC LIMIT 1`);
    this.#deleteOldest = db.prepare(`DELETE FROM milestone WHERE time_ms <=
      (SELECT time_ms FROM milestone ORDER BY time_ms LIMIT 1 OFFSET ${ROWS_MAX / 10})`);
    this.#count = db.prepare('SELECT count(*) AS rows FROM milestone');
  }

  /** A flush begins. What the former one had written is not there when it failed. */
  begin(): void {
    if (this.#open) {
      this.#rows = Number(this.#count.get()?.['rows']);
      this.#marked.clear();
    }
    this.#open = true;
  }

  /** The flush is on the disk. */
  written(): void {
    this.#open = false;
  }

  /** Call it between `begin` and `written`, before the row of a generation is written: it may have moved. */
  record(
    { entryUid, generation, position }: { entryUid: string; generation: string; position: number },
    nowMs: number,
  ): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (minute !== this.#minute) this.#marked.clear();
    this.#minute = minute;
    if (this.#marked.has(generation)) return;
    if (this.#insert.run(entryUid, generation, position).changes === 0) return;
    this.#marked.add(generation);
    this.#rows++;
    if (minute % THIN_EVERY === Number.parseInt(generation.slice(-2), 16) % THIN_EVERY) this.#thinOf(generation, nowMs);
    if (this.#rows > ROWS_MAX) this.#rows -= Number(this.#deleteOldest.run().changes);
  }

  /** The last one at or before a time, as far as is written; undefined when the generation was not known then. */
  lastBefore(
    { entryUid, generation }: { entryUid: string; generation: string },
    timeMs: number,
  ): Milestone | undefined {
    const row = this.#find.get({ $entry: entryUid, $generation: generation, $time: Math.floor(timeMs) });
    return row && { timeMs: Number(row['time_ms']), position: Number(row['position']) };
  }

  remove(generation: string): void {
    this.#rows -= Number(this.#delete.run(generation).changes);
    this.#marked.delete(generation);
  }

  #thinOf(generation: string, nowMs: number): void {
    const [minutes, hours] = [Math.floor(nowMs - MINUTES_KEPT_MS), Math.floor(nowMs - HOURS_KEPT_MS)];
    this.#rows -= Number(this.#thin.run({ $generation: generation, $minutes: minutes, $hours: hours }).changes);
  }
}
