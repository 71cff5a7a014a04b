import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { BatchFacts, IntentSegment } from '../state/intent-store.ts';
import { compress } from './compress.ts';
import type { DeliveryError } from './delivery-error.ts';
import { IN_FLIGHT_MAX, type PartitionProducer } from './partition-producer.ts';
import { type Compression, encodeRecordBatch } from './record-batch.ts';
import { RECORD_BYTES_MAX } from './record-buffer.ts';
import type { Workbench, WorkPool } from './work-pool.ts';

/** A run of whole lines of one source inside one batch; `end` is inside a line where its last record is a `split` one. */
export interface Segment extends IntentSegment {
  source: RouteSource;
}

/** What one turn of a source gave. */
export interface Filled {
  segment: Segment | undefined;
  /** There is likely more to read at once. */
  more: boolean;
  /** The batch has no room for the source's next line. */
  full: boolean;
}

/** What a route reads from. A source belongs to one route at a time. */
export interface RouteSource {
  /** Whether the source still delivers by this route. */
  isOn(route: Route): boolean;
  /** Reads on and encodes lines into the bench's records. Never rejects. */
  fill(bench: Workbench): Promise<Filled>;
  /** Kafka has the segment. Segments may be told in any order. */
  delivered(segment: IntentSegment): void;
  /** Kafka does not have the segment and will not get it from this batch: it must be read again. */
  returned(segment: IntentSegment): void;
}

/** While a batch is under way, a small one waits this long for more lines. */
const LINGER_MS = 5;
const BATCH_BYTES_MIN = 1_024;

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
  readonly producer: PartitionProducer;
  readonly compression: Compression;
  readonly #tools: RouteTools;
  readonly #ready = new Set<RouteSource>();
  #pumping = false;
  #closed = false;
  #open = 0;
  #lastFull = false;
  #batchBytesMax = RECORD_BYTES_MAX;
  readonly #waiters: (() => void)[] = [];

  constructor(producer: PartitionProducer, compression: Compression, tools: RouteTools) {
    this.producer = producer;
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
    this.producer.close();
    this.#notify();
  }

  async #pump(): Promise<void> {
    const { clock, pool } = this.#tools;
    while (this.#ready.size > 0 && !this.#closed) {
      if (this.#open > 0 && !this.#lastFull) await clock.sleep(LINGER_MS);
      while (this.#open >= IN_FLIGHT_MAX && !this.#closed) await new Promise<void>((wake) => this.#waiters.push(wake));
      await pool.takeBytes(RECORD_BYTES_MAX);
      const bench = await pool.takeBench();
      bench.records.reset(this.#batchBytesMax);
      const { returns } = this.producer;
      const segments = this.#closed ? [] : await this.#fill(bench);
      this.#lastFull = bench.records.remaining < RECORD_BYTES_MAX / 4;
      if (segments.length > 0) this.#dispatch(bench, segments, returns);
      else {
        pool.giveBench(bench);
        pool.giveBytes(RECORD_BYTES_MAX);
      }
    }
    this.#pumping = false;
  }

  /** One turn for each source that is ready, as long as there is room. */
  async #fill(bench: Workbench): Promise<Segment[]> {
    const segments: Segment[] = [];
    for (const source of [...this.#ready]) {
      this.#ready.delete(source);
      if (!source.isOn(this)) continue;
      const { segment, more, full } = await source.fill(bench);
      if (segment) segments.push(segment);
      if (more && source.isOn(this)) this.#ready.add(source);
      if (full || bench.records.remaining < BATCH_BYTES_MIN) break;
    }
    return segments;
  }

  #dispatch(bench: Workbench, segments: Segment[], returns: number): void {
    const { clock, pool } = this.#tools;
    const { compression } = this;
    const recordCount = bench.records.records;
    const facts: BatchFacts = { compression, recordCount, timestampMs: clock.nowMs(), segments };
    const rawBytes = bench.records.length;
    const compressed = compress(bench.records.view(), this.compression);
    // The rejection is met below, in its turn.
    compressed.catch(() => {});
    this.#open++;
    this.producer.inOrder(async () => {
      let held = RECORD_BYTES_MAX;
      const finish = (tell: (source: RouteSource, segment: Segment) => void) => {
        for (const segment of segments) tell(segment.source, segment);
        this.#open--;
        pool.giveBytes(held);
        this.#notify();
      };
      try {
        const encoded = encodeRecordBatch(facts, await compressed);
        held = Math.min(encoded.byteLength, RECORD_BYTES_MAX);
        pool.giveBytes(RECORD_BYTES_MAX - held);
        // Batches before it were given back since it was begun: its lines must not overtake theirs.
        if (returns !== this.producer.returns) return finish((source, segment) => source.returned(segment));
        this.producer.enqueue({
          encoded,
          recordCount,
          facts,
          onDelivered: () => finish((source, segment) => source.delivered(segment)),
          onReturned: (tooLarge) => {
            if (tooLarge) this.#shrink(rawBytes, tooLarge);
            finish((source, segment) => source.returned(segment));
          },
        });
      } catch (error) {
        this.#tools.logger.error('a batch could not be compressed; its lines are read again', { error });
        finish((source, segment) => source.returned(segment));
      } finally {
        pool.giveBench(bench);
      }
    });
  }

  /** The topic takes smaller batches than one of `rawBytes`: halve until they fit, and stay there. */
  #shrink(rawBytes: number, error: DeliveryError): void {
    const smaller = Math.max(BATCH_BYTES_MIN, Math.floor(rawBytes / 2));
    if (smaller >= this.#batchBytesMax) return;
    this.#batchBytesMax = smaller;
    const { topic, partition } = this.producer.at;
    this.#tools.logger.warn('making smaller batches', { topic, partition, bytes: smaller, error: error.message });
  }

  #notify(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
