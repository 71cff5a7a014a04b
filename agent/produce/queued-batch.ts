import assert from 'node:assert/strict';
import type { RecordBatch } from '../encode/record-batch.ts';
import type { BatchFacts, OpenIntent } from '../model/segment.ts';
import type { DeliveryError } from './delivery-error.ts';
import { sequenceAfter, sequenceDistance } from './sequence.ts';

/** Observes a batch. The producer calls exactly one of the two, once. */
export interface BatchEvents {
  /** All in-sync replicas have the batch. */
  onAcknowledged(): void;
  /**
   * Kafka does not have the batch and will not get it, so its lines must be read again; in smaller
   * batches if `tooLarge` is given.
   */
  onReturned(tooLarge: DeliveryError | undefined): void;
}

/** A new batch. The producer owns `encoded` until it calls one of the events. */
export interface OutgoingBatch extends BatchEvents {
  encoded: RecordBatch;
  recordCount: number;
  /**
   * The batch's content, which is stored before the batch is sent. If undefined, the batch may
   * arrive twice after a crash.
   */
  facts: BatchFacts | undefined;
  /** Gives up the batch's memory while its partition is blocked. It is built again later. */
  park?(): void;
  /**
   * Encodes the same records again, from the same bytes. undefined: the bytes no longer exist.
   * Never rejects.
   */
  build?(): Promise<RecordBatch | undefined>;
}

/** A batch of a previous process, which may or may not be in Kafka. */
export interface RecoveredBatch extends BatchEvents {
  intent: OpenIntent;
  /** As in OutgoingBatch. */
  build(): Promise<RecordBatch | undefined>;
}

type Owner = BatchEvents & Pick<OutgoingBatch, 'park' | 'build'>;

/** A batch in a producer's queue, until Kafka has acknowledged it or it is returned. */
export class QueuedBatch {
  readonly recordCount: number;
  readonly facts: BatchFacts | undefined;
  #failure: DeliveryError | undefined;
  #mayBeAppended = false;
  #mayArriveLate = false;
  readonly #owner: Owner;
  #encoded: RecordBatch | undefined;
  #baseSequence: number | undefined;
  #intent: number | undefined;
  #isClosed = false;

  private constructor(owner: Owner, { recordCount, facts }: Pick<OutgoingBatch, 'recordCount' | 'facts'>) {
    this.#owner = owner;
    this.recordCount = recordCount;
    this.facts = facts;
  }

  static fromOutgoing(batch: OutgoingBatch): QueuedBatch {
    const queued = new QueuedBatch(batch, batch);
    queued.#encoded = batch.encoded;
    return queued;
  }

  static fromRecovered(batch: RecoveredBatch): QueuedBatch {
    const { intent } = batch;
    const queued = new QueuedBatch(batch, { recordCount: intent.recordCount, facts: intent });
    queued.#baseSequence = intent.baseSequence;
    queued.#mayBeAppended = true;
    queued.#mayArriveLate = true;
    queued.#intent = intent.id;
    return queued;
  }

  /**
   * undefined: the batch is parked, or of a previous process, and must be built before it is sent.
   */
  get encoded(): RecordBatch | undefined {
    return this.#encoded;
  }

  /** undefined: the batch was never sent, or was withdrawn. */
  get baseSequence(): number | undefined {
    return this.#baseSequence;
  }

  get isUnsent(): boolean {
    return this.#baseSequence === undefined;
  }

  /** The sequence of its last record. The batch must have a sequence. */
  get lastSequence(): number {
    assert(this.#baseSequence !== undefined, 'the batch has no sequence');
    return sequenceAfter(this.#baseSequence, this.recordCount - 1);
  }

  /** Why it was not acknowledged the last time. */
  get failure(): DeliveryError | undefined {
    return this.#failure;
  }

  /** Whether an attempt before the present one may have appended it. */
  get mayBeAppended(): boolean {
    return this.#mayBeAppended;
  }

  /** Whether a request without a response may still be in transit. */
  get mayArriveLate(): boolean {
    return this.#mayArriveLate;
  }

  /** Notes that it was sent and not acknowledged. */
  failed(error: DeliveryError): void {
    this.#failure = error;
    this.#mayBeAppended ||= !error.isRefusal && error.kind !== 'sequence';
    this.#mayArriveLate ||= error.code === 'NETWORK';
  }

  /** Kafka was asked, and does not have it. */
  foundMissing(): void {
    this.#mayBeAppended = false;
  }

  /** The id of its intent in the state; undefined if there is none. */
  get intent(): number | undefined {
    return this.#intent;
  }

  /** Whether it gave up its memory and is not built yet. */
  get isParked(): boolean {
    return !this.#encoded && this.#owner.park !== undefined;
  }

  /** Whether only its file has the records: it is of a previous process and not built yet. */
  get needsFile(): boolean {
    return !this.#encoded && !this.#owner.park;
  }

  /** Sets its place in the partition's sequence. */
  assignSequence(baseSequence: number, intent: number | undefined): void {
    assert(this.#baseSequence === undefined, 'the batch already has a sequence');
    this.#baseSequence = baseSequence;
    this.#intent = intent;
  }

  /**
   * Takes its sequence away: Kafka does not have the batch and will not get it by that sequence.
   */
  withdraw(): void {
    this.#baseSequence = undefined;
    this.#intent = undefined;
  }

  acknowledged(): void {
    this.#close();
    this.#owner.onAcknowledged();
  }

  returned(tooLarge: DeliveryError | undefined): void {
    this.#close();
    this.#owner.onReturned(tooLarge);
  }

  /** Gives up its memory if it can be built again. */
  park(): void {
    if (!this.#encoded || !this.#owner.park) return;
    this.#encoded = undefined;
    this.#owner.park();
  }

  /** Makes sure that it is encoded; false if its bytes no longer exist. */
  async build(): Promise<boolean> {
    this.#encoded ??= await this.#owner.build?.();
    return this.#encoded !== undefined;
  }

  #close(): void {
    assert(!this.#isClosed, 'the batch was acknowledged or returned before');
    this.#isClosed = true;
  }
}

/** Sorts batches that have a sequence. */
export function compareSequences(a: QueuedBatch, b: QueuedBatch): number {
  return sequenceDistance(b.baseSequence as number, a.baseSequence as number);
}
