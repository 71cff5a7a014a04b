import type { RecordBatch } from '../encode/record-batch.ts';
import type { BatchFacts, OpenIntent } from '../model/segment.ts';
import type { DeliveryError } from './delivery-error.ts';
import { sequenceAfter, sequenceDistance } from './sequence.ts';

/** What becomes of a batch; one of the two is called, once. */
export interface BatchEvents {
  /** Kafka has it, on all in-sync replicas. */
  onAcknowledged(): void;
  /** Kafka does not have it and will not get it: its lines must come again, in smaller batches when `tooLarge` is given. */
  onReturned(tooLarge: DeliveryError | undefined): void;
}

/** An encoded batch on its way; owned by the producer until one of its callbacks is called. */
export interface OutgoingBatch extends BatchEvents {
  encoded: RecordBatch;
  recordCount: number;
  /** What it is made of, to be written down before it is sent; undefined: it may be there twice after a crash. */
  facts: BatchFacts | undefined;
  /** Gives up its memory while it waits for a partition in trouble: it will be built again. */
  park?: () => void;
  /** Makes the same records again, of the same bytes; undefined when they are not there any more. Never rejects. */
  build?: () => Promise<RecordBatch | undefined>;
}

/** A batch of a former process that may or may not be in Kafka. */
export interface RecoveredBatch extends BatchEvents {
  intent: OpenIntent;
  /** Makes the same records again, of the same bytes; undefined when they are not there any more. Never rejects. */
  build(): Promise<RecordBatch | undefined>;
}

/** A batch that has, or will have, its place in the partition's sequence. */
export interface QueuedBatch extends BatchEvents {
  /** undefined: parked, or of a former process, and to be built before it is sent. */
  encoded: RecordBatch | undefined;
  park: (() => void) | undefined;
  build: (() => Promise<RecordBatch | undefined>) | undefined;
  recordCount: number;
  facts: BatchFacts | undefined;
  /** undefined until the batch is first sent. */
  baseSequence: number | undefined;
  /** The id of its intent, while there is one. */
  intent: number | undefined;
  attempts: number;
  failure: DeliveryError | undefined;
}

export function outgoing(batch: OutgoingBatch): QueuedBatch {
  const { park, build } = batch;
  return { ...batch, park, build, baseSequence: undefined, intent: undefined, attempts: 0, failure: undefined };
}

export function recovered({ intent, build, onAcknowledged, onReturned }: RecoveredBatch): QueuedBatch {
  const { id, baseSequence, recordCount } = intent;
  const lineState = { baseSequence, intent: id, recordCount, facts: intent };
  return {
    ...lineState,
    encoded: undefined,
    park: undefined,
    build,
    onAcknowledged,
    onReturned,
    attempts: 0,
    failure: undefined,
  };
}

/** The sequence of its last record, once it has a first one. */
export function lastSequence(batch: QueuedBatch): number {
  return sequenceAfter(batch.baseSequence as number, batch.recordCount - 1);
}

/** For sorting batches that have their places. */
export function compareSequences(a: QueuedBatch, b: QueuedBatch): number {
  return sequenceDistance(b.baseSequence as number, a.baseSequence as number);
}

/** Lets a batch that waits give up its memory, if it can be built again. */
export function parkBatch(batch: QueuedBatch): void {
  if (!batch.encoded || !batch.park) return;
  batch.encoded = undefined;
  batch.park();
}
