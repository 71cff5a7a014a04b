import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { ContiguousPosition } from '../model/contiguous-position.ts';
import type { LineState } from '../model/line-state.ts';
import { coveredRange, parseAhead } from '../model/position.ts';
import type { IntentSegment } from '../model/segment.ts';
import type { StateDatabase, StatePart } from './state-database.ts';

/** How many rewinds are known, lest one that is asked for twice is made twice. */
const REWINDS_KEPT = 100;
/** A place in the table. */
const NOT_KNOWN = -1;

/** Bytes `[start, end)` of a generation that are sent once more. */
export interface ReplayRange {
  /** The same for all generations of one rewind. */
  id: string;
  entryUid: string;
  generation: string;
  start: number;
  /** Kafka had every line before it when the replay was asked for. */
  end: number;
  /** What `end` is in the middle of, as far as is known. */
  endState: LineState | undefined;
  /** The records say which replay they are of. */
  isMarked: boolean;
}

/** A replay, as long as not all of it is in Kafka once more. */
export interface Replay extends ReplayRange {
  /** What of it is in Kafka. */
  acknowledged: ContiguousPosition;
}

interface Stored extends Replay {
  seq: number;
}

/** The durable record of replays: what is to be sent once more of which generation, and how far that has come. */
export class ReplayStore implements StatePart {
  readonly #state: StateDatabase;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byGeneration = new Map<string, Stored[]>();
  readonly #changed = new Set<Stored>();
  readonly #gone = new Set<number>();
  #lastSeq = 0;

  constructor(state: StateDatabase) {
    const { db } = state;
    this.#state = state;
    this.#update = db.prepare('UPDATE replay SET position = ?, range_end = ?, place = ?, ahead = ? WHERE seq = ?');
    this.#delete = db.prepare('DELETE FROM replay WHERE seq = ?');
    for (const row of db.prepare('SELECT * FROM replay ORDER BY seq').all()) this.#keep(fromRow(row));
    state.add(this);
  }

  /** The replays of a generation, in the order in which they are made. */
  forGeneration(generation: string): readonly Replay[] {
    return this.#byGeneration.get(generation) ?? [];
  }

  /** What was answered when a rewind of an entry was asked for; undefined when it never was. */
  rewindResponse(entryUid: string, id: string): string | undefined {
    const row = this.#state.db.prepare('SELECT document FROM rewind WHERE entry_uid = ? AND id = ?').get(entryUid, id);
    return row && String(row['document']);
  }

  /** Writes a rewind and its replays, all of them or none, and all that is noted before. Throws StateError. */
  begin(rewind: { entryUid: string; id: string; answer: string }, ranges: readonly ReplayRange[], nowMs: number): void {
    const { db } = this.#state;
    this.#state.flush(nowMs);
    const begun = ranges.map((range, index): Stored => {
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
        const range = [start, end, endState ?? NOT_KNOWN, Number(marked)] as const;
        insert.run(seq, id, entryUid, generation, ...range, start, start, NOT_KNOWN, '[]');
      }
      db.prepare('INSERT INTO rewind VALUES (?, ?, ?, ?)').run(rewind.id, rewind.entryUid, rewind.answer, nowMs);
      db.prepare(
        'DELETE FROM rewind WHERE time_ms < (SELECT time_ms FROM rewind ORDER BY time_ms DESC LIMIT 1 OFFSET ?)',
      ).run(REWINDS_KEPT);
    });
    for (const replay of begun) this.#keep(replay);
  }

  /** Notes that Kafka has a segment of a replay; the intent of its batch is closed by the same flush. */
  acknowledged(segment: IntentSegment): void {
    const replay = this.#byGeneration.get(segment.generation)?.find(({ id }) => id === segment.replay);
    if (!replay) return;
    replay.acknowledged.add(coveredRange(segment));
    if (replay.acknowledged.value < replay.end) this.#changed.add(replay);
    else this.#drop(replay);
  }

  /** Notes that nothing more of a generation can be sent. */
  forget(generation: string): void {
    for (const replay of [...(this.#byGeneration.get(generation) ?? [])]) this.#drop(replay);
  }

  get isDirty(): boolean {
    return this.#changed.size + this.#gone.size > 0;
  }

  write(): void {
    for (const { seq, acknowledged } of this.#changed) {
      const { position, rangeEnd, lineState = NOT_KNOWN, ahead } = acknowledged.progress;
      this.#update.run(position, rangeEnd, lineState, JSON.stringify(ahead), seq);
    }
    for (const seq of this.#gone) this.#delete.run(seq);
  }

  onWritten(): void {
    this.#changed.clear();
    this.#gone.clear();
  }

  #keep(replay: Stored): void {
    this.#lastSeq = Math.max(this.#lastSeq, replay.seq);
    const others = this.#byGeneration.get(replay.generation);
    if (others) others.push(replay);
    else this.#byGeneration.set(replay.generation, [replay]);
  }

  #drop(replay: Stored): void {
    const left = (this.#byGeneration.get(replay.generation) ?? []).filter((other) => other !== replay);
    if (left.length > 0) this.#byGeneration.set(replay.generation, left);
    else this.#byGeneration.delete(replay.generation);
    this.#changed.delete(replay);
    this.#gone.add(replay.seq);
  }
}

function fromRow(row: Record<string, SQLOutputValue>): Stored {
  const number = (name: string) => Number(row[name]);
  const lineState = (name: string) => (number(name) === NOT_KNOWN ? undefined : (number(name) as LineState));
  const { position, rangeEnd } = { position: number('position'), rangeEnd: number('range_end') };
  const reached = { position, rangeEnd, lineState: lineState('place'), ahead: parseAhead(String(row['ahead'])) };
  return {
    seq: number('seq'),
    id: String(row['id']),
    entryUid: String(row['entry_uid']),
    generation: String(row['generation']),
    start: number('start'),
    end: number('end_position'),
    endState: lineState('end_place'),
    isMarked: number('marked') === 1,
    acknowledged: new ContiguousPosition(reached),
  };
}
