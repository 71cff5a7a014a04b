import type { DeliveryError } from './delivery-error.ts';
import type { RecordBatch } from './record-batch.ts';
import { sequenceAfter } from './sequence.ts';

/** An encoded batch on its way; owned by the producer until one of its callbacks is called. */
export interface OutgoingBatch {
  encoded: RecordBatch;
  recordCount: number;
  /** Kafka has it, on all in-sync replicas. */
  onDelivered(): void;
  /** Kafka does not have it and takes no batch of this size: its lines must come again in smaller batches. */
  onTooLarge(error: DeliveryError): void;
}

/** A batch that has, or will have, its place in the partition's sequence. */
export interface Sequenced extends OutgoingBatch {
  /** undefined until the batch is first sent. */
  baseSequence: number | undefined;
  attempts: number;
  failure: DeliveryError | undefined;
}

/** The sequence of its last record, once it has a first one. */
export function lastOf(batch: Sequenced): number {
  return sequenceAfter(batch.baseSequence as number, batch.recordCount - 1);
}
