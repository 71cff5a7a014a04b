import assert from 'node:assert/strict';
import { rethrowDefect } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { encodeRecordBatch, type RecordBatch } from '../encode/record-batch.ts';
import type { Workbench, WorkPool } from '../encode/work-pool.ts';
import type { BatchFacts, IntentSegment } from '../model/segment.ts';
import type { DeliveryError } from './delivery-error.ts';
import { MemoryReservation } from './memory-reservation.ts';
import type { OutgoingBatch } from './queued-batch.ts';
import { rebuildBatch } from './rebuild-batch.ts';
import type { Segment } from './route-source.ts';

export interface RouteBatchDependencies {
  pool: WorkPool;
  logger: Logger;
  /** The broker refused the batch because of its size. Returns whether its lines are given up. */
  onTooLarge: (tooLarge: DeliveryError) => boolean;
  /** The batch was parked and is encoded again. */
  onRebuilt: () => void;
  /** The batch is acknowledged or returned. */
  onClosed: () => void;
}

/** One batch of a route: passes its outcome on to the sources of its segments. */
export class RouteBatch implements OutgoingBatch {
  readonly facts: BatchFacts;
  readonly #segments: readonly Segment[];
  readonly #memory: MemoryReservation;
  readonly #needs: RouteBatchDependencies;
  #encoded: RecordBatch | undefined;
  #isParked = false;

  /** The caller has reserved RECORD_BYTES_MAX of the pool for it. */
  constructor(facts: BatchFacts, segments: readonly Segment[], needs: RouteBatchDependencies) {
    const lines = segments.reduce((sum, segment) => sum + segment.lines, 0);
    assert(lines === facts.recordCount, `${lines} lines in a batch of ${facts.recordCount} records`);
    this.facts = facts;
    this.#segments = segments;
    this.#memory = new MemoryReservation(needs.pool);
    this.#needs = needs;
  }

  get recordCount(): number {
    return this.facts.recordCount;
  }

  get encoded(): RecordBatch {
    assert(this.#encoded, 'the batch is not encoded');
    return this.#encoded;
  }

  /** Wraps its compressed records. */
  encode(compressed: readonly Uint8Array[]): void {
    this.#encoded = encodeRecordBatch(this.facts, compressed);
    this.#memory.shrink(this.#encoded.byteLength);
  }

  /** Whether it gave up its memory and is not built again yet. */
  get isParked(): boolean {
    return this.#isParked;
  }

  park(): void {
    this.#isParked = true;
    this.#encoded = undefined;
    this.#memory.release();
  }

  async build(): Promise<RecordBatch | undefined> {
    const { pool, logger } = this.#needs;
    await this.#memory.reacquire();
    try {
      const encode = (index: number, segment: IntentSegment, bench: Workbench) =>
        (this.#segments[index] as Segment).source.encodeAgain(segment, bench);
      const encoded = await rebuildBatch(this.facts, pool, encode);
      this.#memory.shrink(encoded.byteLength);
      this.#isParked = false;
      this.#needs.onRebuilt();
      return encoded;
    } catch (error) {
      rethrowDefect(error);
      this.#memory.release();
      logger.warn("a waiting batch can't be built again; its lines are read again", { error });
      return undefined;
    }
  }

  onAcknowledged(): void {
    for (const segment of this.#segments) segment.source.acknowledged(segment);
    this.#close();
  }

  onReturned(tooLarge?: DeliveryError): void {
    const isGivenUp = tooLarge !== undefined && this.#needs.onTooLarge(tooLarge);
    for (const segment of this.#segments) {
      if (isGivenUp) segment.source.acknowledged({ ...segment, lines: 0, isRefused: true });
      else segment.source.returned(segment);
    }
    this.#close();
  }

  #close(): void {
    this.#encoded = undefined;
    this.#memory.release();
    this.#needs.onClosed();
  }
}
