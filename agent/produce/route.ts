import type { Compression } from '../../proto/rules/line-words.ts';
import type { Clock } from '../../runtime/clock.ts';
import { rethrowDefect } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { Slices } from '../../runtime/slices.ts';
import { compress } from '../encode/compress.ts';
import { RECORD_BYTES_MAX } from '../encode/record-buffer.ts';
import type { Workbench, WorkPool } from '../encode/work-pool.ts';
import type { BatchFacts } from '../model/segment.ts';
import type { BatchMaker } from './batch-maker.ts';
import type { DeliveryError } from './delivery-error.ts';
import type { PartitionProducer } from './partition-producer.ts';
import { RouteBatch } from './route-batch.ts';
import type { RouteSource, Segment } from './route-source.ts';
import { BATCH_BYTES_MIN, SizeLimits } from './size-limits.ts';

/** While a batch is open, a small one waits this long for more lines. */
const LINGER_MS = 5;

export interface RouteDependencies {
  clock: Clock;
  logger: Logger;
  pool: WorkPool;
}

/**
 * One partition of a topic, with one compression. Gives turns to the sources that have something to
 * read and makes batches of their lines, a chunk from as many sources as fit. At most as many
 * batches as its producer takes are open: made and not yet acknowledged.
 */
export class Route implements BatchMaker {
  readonly topic: string;
  readonly partition: number;
  readonly compression: Compression;
  readonly #producer: PartitionProducer;
  readonly #needs: RouteDependencies;
  readonly #ready = new Set<RouteSource>();
  readonly #limits = new SizeLimits();
  readonly #waiters: (() => void)[] = [];
  #isPumping = false;
  #isFilling = false;
  #isClosed = false;
  readonly #open = new Set<RouteBatch>();
  #wasLastFull = false;

  constructor(producer: PartitionProducer, compression: Compression, needs: RouteDependencies) {
    ({ topic: this.topic, partition: this.partition } = producer.partition);
    this.compression = compression;
    this.#producer = producer;
    this.#needs = needs;
    producer.addMaker(this);
  }

  get hasWork(): boolean {
    return this.#isFilling || this.#open.size > 0 || [...this.#ready].some((source) => source.usesRoute(this));
  }

  resume(): void {
    this.#notify();
  }

  /** Says that `source` has something to read. Cheap; may be called again at any time. */
  wake(source: RouteSource): void {
    if (this.#isClosed) return;
    this.#ready.add(source);
    if (this.#isPumping) return;
    this.#isPumping = true;
    void this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#ready.clear();
    this.#producer.close();
    this.#notify();
  }

  /**
   * A batch behind a parked one would be parked, too, and encoded twice: so none is begun before
   * all parked ones are built again.
   */
  get #mayOpen(): boolean {
    return this.#open.size < this.#producer.openMax && ![...this.#open].some(({ isParked }) => isParked);
  }

  async #pump(): Promise<void> {
    const { clock, pool } = this.#needs;
    const slices = new Slices();
    while (this.#ready.size > 0 && !this.#isClosed) {
      if (this.#open.size > 0 && !this.#wasLastFull) await clock.sleep(LINGER_MS);
      while (!this.#mayOpen && !this.#isClosed) await new Promise<void>((wake) => this.#waiters.push(wake));
      await pool.reserveBytes(RECORD_BYTES_MAX);
      const bench = await pool.acquireBench();
      bench.records.reset(this.#limits.batchBytesMax, this.#limits.lineBytesMax);
      const { returnCount } = this.#producer;
      this.#isFilling = true;
      const segments = this.#isClosed ? [] : await this.#fill(bench);
      this.#wasLastFull = bench.records.remaining < RECORD_BYTES_MAX / 4;
      if (segments.length > 0) this.#dispatch(bench, segments, returnCount);
      else {
        pool.releaseBench(bench);
        pool.releaseBytes(RECORD_BYTES_MAX);
        // Nothing else may end a turn of the event loop: reads of local files are synchronous.
        if (slices.isOver) await slices.startNext();
      }
      this.#isFilling = false;
    }
    this.#isPumping = false;
  }

  /**
   * Gives one turn to each ready source while there is room. The turns are sliced: thousands of
   * sources whose lines are filtered out add nothing to the batch, so it would not end the loop.
   */
  async #fill(bench: Workbench): Promise<Segment[]> {
    const segments: Segment[] = [];
    const slices = new Slices();
    for (const source of [...this.#ready]) {
      if (slices.isOver) await slices.startNext();
      this.#ready.delete(source);
      if (!source.usesRoute(this)) continue;
      const { segment, hasMore, isFull } = await source.fill(bench);
      if (segment) segments.push(segment);
      if (hasMore && source.usesRoute(this)) this.#ready.add(source);
      if (isFull || bench.records.remaining < BATCH_BYTES_MIN) break;
    }
    return segments;
  }

  #dispatch(bench: Workbench, segments: Segment[], returnCount: number): void {
    const { clock, logger, pool } = this.#needs;
    const { recordCount, length: rawBytes, lineBytesMax } = bench.records;
    const facts: BatchFacts = { compression: this.compression, recordCount, timestampMs: clock.nowMs(), segments };
    const batch: RouteBatch = new RouteBatch(facts, segments, {
      pool,
      logger,
      onTooLarge: (error) => this.#shrink({ rawBytes, recordCount, lineBytesMax }, error),
      onRebuilt: () => this.#notify(),
      onClosed: () => {
        this.#open.delete(batch);
        this.#notify();
      },
    });
    const compressed = compress(bench, this.compression);
    // A rejection is handled below, after the batches before this one.
    compressed.catch(() => {});
    this.#open.add(batch);
    this.#producer.runInOrder(async () => {
      try {
        batch.encode(await compressed);
        // Lines of batches that were returned since this one was begun come before its lines.
        if (returnCount === this.#producer.returnCount) this.#producer.enqueue(batch);
        else batch.onReturned();
      } catch (error) {
        rethrowDefect(error);
        logger.error("a batch can't be compressed; its lines are read again", { error });
        batch.onReturned();
      } finally {
        pool.releaseBench(bench);
      }
    });
  }

  /**
   * The topic refuses a batch of `rawBytes`, read with `lineBytesMax`. Returns whether its only
   * line is given up, because it can't be split further.
   */
  #shrink(
    { rawBytes, recordCount, lineBytesMax }: { rawBytes: number; recordCount: number; lineBytesMax: number },
    { message: error }: DeliveryError,
  ): boolean {
    const { topic, partition } = this;
    const { logger } = this.#needs;
    const limits = this.#limits;
    if (limits.shrinkBatches(rawBytes))
      logger.warn('sending smaller batches', { topic, partition, bytes: limits.batchBytesMax, error });
    if (recordCount > 1) return false;
    const lines = limits.shrinkLines(rawBytes, lineBytesMax);
    if (lines === 'smaller')
      logger.warn('splitting lines that are too large for the topic', {
        topic,
        partition,
        bytes: limits.lineBytesMax,
      });
    return lines === 'smallest';
  }

  #notify(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
