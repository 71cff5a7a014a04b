import type { Compression } from '../../proto/rules/line-words.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { Slices } from '../../runtime/slices.ts';
import { compress } from '../encode/compress.ts';
import { encodeRecordBatch, type RecordBatch } from '../encode/record-batch.ts';
import { RECORD_BYTES_MAX } from '../encode/record-buffer.ts';
import type { Workbench, WorkPool } from '../encode/work-pool.ts';
import type { BatchFacts, IntentSegment } from '../model/segment.ts';
import type { DeliveryError } from './delivery-error.ts';
import { MemoryReservation } from './held-bytes.ts';
import type { PartitionProducer } from './partition-producer.ts';
import { rebuildBatch } from './rebuild-batch.ts';
import { IN_FLIGHT_MAX } from './send-window.ts';

/** A run of lines of one source inside one batch. */
export interface Segment extends IntentSegment {
  source: RouteSource;
}

/** What one turn of a source gave. */
export interface SourceTurn {
  segment: Segment | undefined;
  /** There is likely more to read at once. */
  hasMore: boolean;
  /** The batch has no room for the source's next line. */
  isFull: boolean;
}

/** What a route reads from. A source belongs to one route at a time. */
export interface RouteSource {
  /** Whether the source still delivers by this route. */
  usesRoute(route: Route): boolean;
  /** Reads on and encodes lines into the bench's records. Never rejects. */
  fill(bench: Workbench): Promise<SourceTurn>;
  /** Encodes a segment's lines as before, of the same bytes. Rejects when they are not there any more. */
  encodeAgain(segment: IntentSegment, bench: Workbench): Promise<void>;
  /** Kafka has the segment, or it is given up as `refused`. Segments may be told in any order. */
  acknowledged(segment: IntentSegment): void;
  /** Kafka does not have the segment and will not get it from this batch: it must be read again. */
  returned(segment: IntentSegment): void;
}

/** While a batch is under way, a small one waits this long for more lines. */
const LINGER_MS = 5;
const BATCH_BYTES_MIN = 1_024;
/** A topic that does not even take a line of this size does not get it. */
const LINE_BYTES_MIN = 1_024;

export interface RouteTools {
  clock: Clock;
  logger: Logger;
  pool: WorkPool;
}

/**
 * One topic's partition, with one compression: takes turns among the sources that have something to read, makes batches of them, and
 * keeps at most five without an answer. A batch holds a chunk of as many sources as fit.
 */
export class Route {
  readonly topic: string;
  readonly partition: number;
  readonly #producer: PartitionProducer;
  readonly compression: Compression;
  readonly #tools: RouteTools;
  readonly #ready = new Set<RouteSource>();
  #pumping = false;
  #closed = false;
  #open = 0;
  #lastFull = false;
  #batchBytesMax = RECORD_BYTES_MAX;
  #lineBytesMax = Number.POSITIVE_INFINITY;
  readonly #waiters: (() => void)[] = [];

  constructor(producer: PartitionProducer, compression: Compression, tools: RouteTools) {
    ({ topic: this.topic, partition: this.partition } = producer.partition);
    this.#producer = producer;
    this.compression = compression;
    this.#tools = tools;
  }

  /** Batches made that have no answer yet. */
  get open(): number {
    return this.#open;
  }

  /** Tells that `source` has something to read. Cheap, and may be told again at any time. */
  wake(source: RouteSource): void {
    if (this.#closed) return;
    this.#ready.add(source);
    if (this.#pumping) return;
    this.#pumping = true;
    void this.#pump();
  }

  close(): void {
    this.#closed = true;
    this.#ready.clear();
    this.#producer.close();
    this.#notify();
  }

  async #pump(): Promise<void> {
    const { clock, pool } = this.#tools;
    while (this.#ready.size > 0 && !this.#closed) {
      if (this.#open > 0 && !this.#lastFull) await clock.sleep(LINGER_MS);
      while (this.#open >= IN_FLIGHT_MAX && !this.#closed) await new Promise<void>((wake) => this.#waiters.push(wake));
      await pool.reserveBytes(RECORD_BYTES_MAX);
      const bench = await pool.acquireBench();
      bench.records.reset(this.#batchBytesMax, this.#lineBytesMax);
      const { returnCount: returns } = this.#producer;
      const segments = this.#closed ? [] : await this.#fill(bench);
      this.#lastFull = bench.records.remaining < RECORD_BYTES_MAX / 4;
      if (segments.length > 0) this.#dispatch(bench, segments, returns);
      else {
        pool.releaseBench(bench);
        pool.releaseBytes(RECORD_BYTES_MAX);
      }
    }
    this.#pumping = false;
  }

  /** One turn for each source that is ready, as long as there is room. Thousands whose lines a filter does not keep make no batch that ends the turn. */
  async #fill(bench: Workbench): Promise<Segment[]> {
    const segments: Segment[] = [];
    const slices = new Slices();
    for (const source of [...this.#ready]) {
      if (slices.over) await slices.next();
      this.#ready.delete(source);
      if (!source.usesRoute(this)) continue;
      const { segment, hasMore: more, isFull: full } = await source.fill(bench);
      if (segment) segments.push(segment);
      if (more && source.usesRoute(this)) this.#ready.add(source);
      if (full || bench.records.remaining < BATCH_BYTES_MIN) break;
    }
    return segments;
  }

  #dispatch(bench: Workbench, segments: Segment[], returns: number): void {
    const { clock, pool } = this.#tools;
    const { compression } = this;
    const recordCount = bench.records.recordCount;
    const facts: BatchFacts = { compression, recordCount, timestampMs: clock.nowMs(), segments };
    const { length: rawBytes, lineBytesMax } = bench.records;
    const compressed = compress(bench, this.compression);
    // The rejection is met below, in its turn.
    compressed.catch(() => {});
    this.#open++;
    this.#producer.runInOrder(async () => {
      const held = new MemoryReservation(pool);
      const finish = (tell: (source: RouteSource, segment: Segment) => void) => {
        for (const segment of segments) tell(segment.source, segment);
        this.#open--;
        held.release();
        this.#notify();
      };
      try {
        const encoded = encodeRecordBatch(facts, await compressed);
        held.shrink(encoded.byteLength);
        // Batches before it were given back since it was begun: its lines must not overtake theirs.
        if (returns !== this.#producer.returnCount) return finish((source, segment) => source.returned(segment));
        this.#producer.enqueue({
          encoded,
          recordCount,
          facts,
          park: () => held.release(),
          build: () => this.#build(facts, segments, held),
          onAcknowledged: () => finish((source, segment) => source.acknowledged(segment)),
          onReturned: (tooLarge) => {
            if (tooLarge) this.#shrink(rawBytes, tooLarge);
            const givenUp = tooLarge && recordCount === 1 && !this.#shrinkLines(rawBytes, lineBytesMax);
            finish((source, segment) => {
              if (givenUp) source.acknowledged({ ...segment, lines: 0, isRefused: true });
              else source.returned(segment);
            });
          },
        });
      } catch (error) {
        this.#tools.logger.error('a batch could not be compressed; its lines are read again', { error });
        finish((source, segment) => source.returned(segment));
      } finally {
        pool.releaseBench(bench);
      }
    });
  }

  /** Makes a parked batch again; undefined when the files have changed under it. */
  async #build(
    facts: BatchFacts,
    segments: readonly Segment[],
    held: MemoryReservation,
  ): Promise<RecordBatch | undefined> {
    await held.reacquire();
    try {
      const encode = (index: number, segment: IntentSegment, bench: Workbench) =>
        (segments[index] as Segment).source.encodeAgain(segment, bench);
      const encoded = await rebuildBatch(facts, this.#tools.pool, encode);
      held.shrink(encoded.byteLength);
      return encoded;
    } catch (error) {
      held.release();
      this.#tools.logger.warn('a batch that waited can not be built again; its lines are read anew', { error });
      return undefined;
    }
  }

  /** The topic takes smaller batches than one of `rawBytes`: halve until they fit, and stay there. */
  #shrink(rawBytes: number, error: DeliveryError): void {
    const smaller = Math.max(BATCH_BYTES_MIN, Math.floor(rawBytes / 2));
    if (smaller >= this.#batchBytesMax) return;
    this.#batchBytesMax = smaller;
    const { topic, partition } = this;
    this.#tools.logger.warn('making smaller batches', { topic, partition, bytes: smaller, error: error.message });
  }

  /** The topic does not take a record of `rawBytes`, read as a line of at most `lineBytes`: halve; false when that is as small as can be. */
  #shrinkLines(rawBytes: number, lineBytes: number): boolean {
    if (lineBytes <= LINE_BYTES_MIN) return false;
    const smaller = Math.max(LINE_BYTES_MIN, Math.floor(Math.min(rawBytes, lineBytes) / 2));
    if (smaller >= this.#lineBytesMax) return true;
    this.#lineBytesMax = smaller;
    const { topic, partition } = this;
    this.#tools.logger.warn('splitting lines that the topic does not take', { topic, partition, bytes: smaller });
    return true;
  }

  #notify(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
