import type { DatabaseSync, StatementSync } from 'node:sqlite';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** One milestone a minute is kept for this long, then one an hour. */
const MINUTES_KEPT_MS = 2 * HOUR_MS;
const HOURS_KEPT_MS = 7 * 24 * HOUR_MS;
/** Each generation is thinned every tenth minute. */
const THIN_EVERY = 10;
/** The milestones of all generations. If there are more, the oldest tenth is deleted. */
const ROWS_MAX = 200_000;

/** The position of a generation at a time. */
export interface Milestone {
  timeMs: number;
  position: number;
}

/**
 * The positions of generations in the past, for rewinds to a time. Before the new position of a
 * generation is written, its row becomes a milestone, at most one a minute. So a generation that
 * does not grow costs nothing, and its row is its last milestone.
 */
export class Milestones {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #thin: StatementSync;
  readonly #find: StatementSync;
  readonly #deleteOldest: StatementSync;
  #minute = 0;
  /** The generations that have a milestone in this minute. */
  readonly #recorded = new Set<string>();
  readonly #count: StatementSync;
  #rows = 0;
  /** A flush is in progress, or has failed. */
  #isFlushing = true;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(`INSERT OR IGNORE INTO milestone SELECT generation, updated_ms, position FROM generation
      WHERE entry_uid = ? AND generation = ? AND position < ?`);
    this.#delete = db.prepare('DELETE FROM milestone WHERE generation = ?');
    // The newest of the milestones that are too old stays: the generation was there since then.
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

  /** A flush begins. If the previous one failed, its milestones were not written. */
  begin(): void {
    if (this.#isFlushing) {
      this.#rows = Number(this.#count.get()?.['rows']);
      this.#recorded.clear();
    }
    this.#isFlushing = true;
  }

  /** The flush is on the disk. */
  written(): void {
    this.#isFlushing = false;
  }

  /** Call it between `begin` and `written`, before the row of a generation is written. */
  record(
    { entryUid, generation, position }: { entryUid: string; generation: string; position: number },
    nowMs: number,
  ): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (minute !== this.#minute) this.#recorded.clear();
    this.#minute = minute;
    if (this.#recorded.has(generation)) return;
    if (this.#insert.run(entryUid, generation, position).changes === 0) return;
    this.#recorded.add(generation);
    this.#rows++;
    if (minute % THIN_EVERY === Number.parseInt(generation.slice(-2), 16) % THIN_EVERY)
      this.#thinOut(generation, nowMs);
    if (this.#rows > ROWS_MAX) this.#rows -= Number(this.#deleteOldest.run().changes);
  }

  /** The last written milestone at or before a time; undefined: the generation was unknown then. */
  lastBefore(
    { entryUid, generation }: { entryUid: string; generation: string },
    timeMs: number,
  ): Milestone | undefined {
    const row = this.#find.get({ $entry: entryUid, $generation: generation, $time: Math.floor(timeMs) });
    return row && { timeMs: Number(row['time_ms']), position: Number(row['position']) };
  }

  remove(generation: string): void {
    this.#rows -= Number(this.#delete.run(generation).changes);
    this.#recorded.delete(generation);
  }

  #thinOut(generation: string, nowMs: number): void {
    const [minutes, hours] = [Math.floor(nowMs - MINUTES_KEPT_MS), Math.floor(nowMs - HOURS_KEPT_MS)];
    this.#rows -= Number(this.#thin.run({ $generation: generation, $minutes: minutes, $hours: hours }).changes);
  }
}
