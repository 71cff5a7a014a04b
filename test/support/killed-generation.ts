import assert from 'node:assert/strict';
import { closeSync, statSync } from 'node:fs';
import { lineStartAt } from '../../agent/collect/read/line-starts.ts';
import type { RateLimits } from '../../agent/collect/read/rate-limit.ts';
import type { Source } from '../../agent/collect/sources/source.ts';
import type { LineFormat } from '../../agent/encode/line-format.ts';
import { newCheckpoint } from '../../agent/model/checkpoint.ts';
import { coveredRange } from '../../agent/model/position.ts';
import type { IntentSegment } from '../../agent/model/segment.ts';
import type { Route } from '../../agent/produce/route.ts';
import type { Segment } from '../../agent/produce/route-source.ts';
import { CheckpointStore } from '../../agent/state/checkpoint-store.ts';
import { StateDatabase } from '../../agent/state/state-database.ts';
import { type DecodedRecord, decodeRecords } from './decode-records.ts';
import type { Expected } from './line-oracle.ts';
import { openSource } from './open-source.ts';
import type { TempDir } from './temp-dir.ts';
import { testBench } from './test-bench.ts';

const nowhere = { topic: 't', partition: 0, wake: () => {} } as unknown as Route;
const bench = testBench();

export interface Seen extends Expected {
  replay: string | undefined;
}

export interface Range {
  id: string;
  start: number;
  end: number;
}

/**
 * One generation with its stored state, read by processes that are killed. This class takes the
 * part of Kafka, which has a segment once it is delivered, and that of CrashRecovery, which knows
 * the intents on disk.
 */
export class KilledGeneration {
  readonly #dir: TempDir;
  readonly #file: string;
  readonly #format: LineFormat;
  readonly #limits: RateLimits | undefined;
  #state!: StateDatabase;
  #store!: CheckpointStore;
  #fd = -1;
  source!: Source;
  flying: Segment[] = [];
  /** Delivered since the last `write`: their intents are still open on disk. */
  #noted: Segment[] = [];
  /** Returned since then. */
  #voided: Segment[] = [];
  /** Stored losses, in bytes. */
  cut = 0;
  #notedCut = 0;
  /** The records of segments that Kafka does not have. */
  readonly #records = new WeakMap<object, DecodedRecord[]>();
  readonly seen: Seen[] = [];
  readonly replays: Range[] = [];

  constructor(dir: TempDir, file: string, format: LineFormat, limits?: RateLimits) {
    [this.#dir, this.#file, this.#format, this.#limits] = [dir, file, format, limits];
    this.#begin();
  }

  /**
   * Kills the process and starts the next one. `written`: all changes were stored before. The next
   * process inherits the segments whose intents are open on disk. `isOpen` decides which of them
   * have no outcome yet. Of the others, those that Kafka has are acknowledged, the rest returned.
   */
  kill({ written, isOpen }: { written: boolean; isOpen: (at: number) => boolean }): void {
    if (written) this.write();
    this.#state.close();
    closeSync(this.#fd);
    const known = [...this.flying, ...this.#voided, ...this.#noted];
    const closed = known.filter((_, at) => !isOpen(at));
    this.flying = known.filter((segment) => !closed.includes(segment));
    this.#voided = closed.filter((segment) => !this.isThere(segment));
    this.#noted = closed.filter((segment) => this.isThere(segment));
    this.#notedCut = this.#noted.reduce((sum, { cut, replay }) => sum + (replay ? 0 : (cut?.bytes ?? 0)), 0);
    this.#begin();
  }

  /** Writes all that is noted, which closes the intents of what was answered or given back. */
  write(): void {
    this.#state.flush(1);
    [this.#noted, this.#voided] = [[], []];
    this.cut += this.#notedCut;
    this.#notedCut = 0;
  }

  #begin(): void {
    const [open, returned, found] = [this.flying, this.#voided, this.#noted];
    this.#state = StateDatabase.open(this.#dir.at('state'));
    this.#store = new CheckpointStore(this.#state);
    const { dev: device, ino: inode } = statSync(this.#file, { bigint: true });
    const made = newCheckpoint('e', '00ff', { device, inode, path: this.#file, birthMs: 0 });
    const checkpoint = this.#store.load('e')[0] ?? made;
    const of = (id: string | undefined) => {
      const own = (segments: Segment[]) => segments.filter(({ replay }) => replay === id);
      return { open: own(open), returned: own(returned), acknowledged: own(found).map(coveredRange) };
    };
    for (const segment of found) if (segment.replay !== undefined) this.#store.replays.acknowledged(segment);
    const acknowledged = (source: Source, { replay, cut }: IntentSegment) => {
      if (replay !== undefined) return;
      this.#store.put(source.file.checkpoint);
      this.#notedCut += cut?.bytes ?? 0;
    };
    const inherited = of(undefined);
    this.source = openSource(this.#file, { checkpoint, inherited, limits: this.#limits, observer: { acknowledged } });
    this.#fd = this.source.fd;
    if (found.length > 0) this.#store.put(this.source.file.checkpoint);
    const { replays } = this.#store;
    for (const replay of replays.forGeneration('00ff')) this.source.turns.beginReplay(replay, replays, of(replay.id));
    this.source.assign(nowhere, () => this.#format);
  }

  /** Reads one segment into a batch of its own. Returns whether there may be more. */
  async read(batchBytes: number): Promise<boolean> {
    bench.records.reset(batchBytes);
    const { segment, hasMore: more } = await this.source.fill(bench);
    assert.equal(this.source.errors.current, '');
    if (!segment) return more;
    // The same flush stores the new intent and removes the void ones.
    this.#voided = [];
    this.#records.set(segment, decodeRecords(Buffer.from(bench.records.view()), segment.lines));
    this.flying.push(segment);
    return true;
  }

  deliver(segment: Segment): void {
    this.flying = this.flying.filter((other) => other !== segment);
    this.#noted.push(segment);
    const records = this.#records.get(segment) ?? [];
    this.#records.delete(segment);
    for (const { value, headers } of records) {
      const [start, end] = (headers['logfleet.range'] as string).split('-').map(Number) as [number, number];
      const flags = headers['logfleet.flags'] ?? '';
      this.seen.push({ value: value.toString(), start, end, flags, replay: headers['logfleet.replay'] });
    }
    this.source.acknowledged(segment);
  }

  /** Whether Kafka has the segment, even if the process that sent it did not learn that. */
  isThere(segment: Segment): boolean {
    return !this.#records.has(segment);
  }

  giveBack(segment: Segment): void {
    this.flying = this.flying.filter((other) => other !== segment);
    this.#voided.push(segment);
    this.source.returned(segment);
  }

  async rewind(wanted: number): Promise<void> {
    const { position: end, lineState: endState } = this.source.file.checkpoint;
    const start = await lineStartAt(this.#fd, Math.min(wanted, end), this.#format);
    if (start === undefined || start >= end) return;
    const id = `r${this.replays.length}`;
    this.replays.push({ id, start, end });
    const range = { id, entryUid: 'e', generation: '00ff', start, end, endState, isMarked: true };
    this.write();
    this.#store.replays.begin({ entryUid: 'e', id, response: '' }, [range], 1);
    const replay = this.#store.replays.forGeneration('00ff').at(-1);
    assert.ok(replay);
    this.source.turns.beginReplay(replay, this.#store.replays, { open: [], returned: [] });
  }

  get unfinished(): number {
    return this.#store.replays.forGeneration('00ff').length;
  }

  [Symbol.dispose](): void {
    this.#state.close();
    closeSync(this.#fd);
  }
}
