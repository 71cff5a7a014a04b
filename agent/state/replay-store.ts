import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { ContiguousPosition } from '../model/contiguous-position.ts';
import type { LineState } from '../model/line-state.ts';
import { coveredRange, parseAhead } from '../model/position.ts';
import type { IntentSegment } from '../model/segment.ts';
import type { StateDatabase, StatePart } from './state-database.ts';

/** How many rewinds are kept, so that a repeated request has no effect. */
const REWINDS_KEPT = 100;
/** Stored for an unknown line state. */
const UNKNOWN = -1;

/** Bytes `[start, end)` of a generation that a rewind sends again. */
export interface ReplayRange {
  /** All generations of a rewind have the same id. */
  id: string;
  entryUid: string;
  generation: string;
  start: number;
  /** Every line before it was acknowledged when the rewind was requested. */
  end: number;
  /** What `end` lies in the middle of. undefined: unknown. */
  endState: LineState | undefined;
  /** The records name their replay. */
  isMarked: boolean;
}

/** A replay that is not complete. */
export interface Replay extends ReplayRange {
  /** What Kafka has of it. */
  acknowledged: ContiguousPosition;
}

interface StoredReplay extends Replay {
  seq: number;
}

/** The durable replays and their progress. */
export class ReplayStore implements StatePart {
  readonly #state: StateDatabase;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byGeneration = new Map<string, StoredReplay[]>();
  readonly #changed = new Set<StoredReplay>();
  readonly #removed = new Set<number>();
  #lastSeq = 0;

  constructor(state: StateDatabase) {
    const { db } = state;
    this.#state = state;
    this.#update = db.prepare('UPDATE replay SET position = ?, range_end = ?, place = ?, ahead = ? WHERE seq = ?');
    this.#delete = db.prepare('DELETE FROM replay WHERE seq = ?');
    for (const row of db.prepare('SELECT * FROM replay ORDER BY seq').all()) this.#keep(fromRow(row));
    state.add(this);
  }

  /** The replays of a generation, in the order in which they are sent. */
  forGeneration(generation: string): readonly Replay[] {
    return this.#byGeneration.get(generation) ?? [];
  }

  /** The response to a rewind of an entry; undefined: it was never requested. */
  rewindResponse(entryUid: string, id: string): string | undefined {
    const row = this.#state.db.prepare('SELECT document FROM rewind WHERE entry_uid = ? AND id = ?').get(entryUid, id);
    return row && String(row['document']);
  }

  /** Writes a rewind with its replays, and all noted changes before. Throws StateError. */
  begin(
    rewind: { entryUid: string; id: string; response: string },
    ranges: readonly ReplayRange[],
    nowMs: number,
  ): void {
    const { db } = this.#state;
    this.#state.flush(nowMs);
    const begun = ranges.map((range, index): StoredReplay => {
      const acknowledged = new ContiguousPosition({
        position: range.start,
        rangeEnd: range.start,
        lineState: undefined,
        ahead: [],
      });
      return { ...range, acknowledged, seq: this.#lastSeq + 1 + index };
    });
    this.#state.transaction(() => {
      const insert = db.prepare('INSERT INTO replay VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
      for (const { seq, id, entryUid, generation, start, end, endState, isMarked: marked } of begun) {
        const range = [start, end, endState ?? UNKNOWN, Number(marked)] as const;
        insert.run(seq, id, entryUid, generation, ...range, start, start, UNKNOWN, '[]');
      }
      db.prepare('INSERT INTO rewind VALUES (?, ?, ?, ?)').run(rewind.id, rewind.entryUid, rewind.response, nowMs);
      db.prepare(
        'DELETE FROM rewind WHERE time_ms < (SELECT time_ms FROM rewind ORDER BY time_ms DESC LIMIT 1 OFFSET ?)',
      ).run(REWINDS_KEPT);
    });
    for (const replay of begun) this.#keep(replay);
  }

  /** Notes that Kafka has a segment of a replay. The same flush closes the intent of its batch. */
  acknowledged(segment: IntentSegment): void {
    const replay = this.#byGeneration.get(segment.generation)?.find(({ id }) => id === segment.replay);
    if (!replay) return;
    replay.acknowledged.add(coveredRange(segment));
    if (replay.acknowledged.value < replay.end) this.#changed.add(replay);
    else this.#drop(replay);
  }

  /** Removes the replays of a generation that can no longer be read. */
  forget(generation: string): void {
    for (const replay of [...(this.#byGeneration.get(generation) ?? [])]) this.#drop(replay);
  }

  get isDirty(): boolean {
    return this.#changed.size + this.#removed.size > 0;
  }

  write(): void {
    for (const { seq, acknowledged } of this.#changed) {
      const { position, rangeEnd, lineState = UNKNOWN, ahead } = acknowledged.progress;
      this.#update.run(position, rangeEnd, lineState, JSON.stringify(ahead), seq);
    }
    for (const seq of this.#removed) this.#delete.run(seq);
  }

  onWritten(): void {
    this.#changed.clear();
    this.#removed.clear();
  }

  #keep(replay: StoredReplay): void {
    this.#lastSeq = Math.max(this.#lastSeq, replay.seq);
    const others = this.#byGeneration.get(replay.generation);
    if (others) others.push(replay);
    else this.#byGeneration.set(replay.generation, [replay]);
  }

  #drop(replay: StoredReplay): void {
    const left = (this.#byGeneration.get(replay.generation) ?? []).filter((other) => other !== replay);
    if (left.length > 0) this.#byGeneration.set(replay.generation, left);
    else this.#byGeneration.delete(replay.generation);
    this.#changed.delete(replay);
    this.#removed.add(replay.seq);
  }
}

function fromRow(row: Record<string, SQLOutputValue>): StoredReplay {
  const number = (name: string) => Number(row[name]);
  const lineState = (name: string) => (number(name) === UNKNOWN ? undefined : (number(name) as LineState));
  const { position, rangeEnd } = { position: number('position'), rangeEnd: number('range_end') };
  const progress = { position, rangeEnd, lineState: lineState('place'), ahead: parseAhead(String(row['ahead'])) };
  return {
    seq: number('seq'),
    id: String(row['id']),
    entryUid: String(row['entry_uid']),
    generation: String(row['generation']),
    start: number('start'),
    end: number('end_position'),
    endState: lineState('end_place'),
    isMarked: number('marked') === 1,
    acknowledged: new ContiguousPosition(progress),
  };
}
