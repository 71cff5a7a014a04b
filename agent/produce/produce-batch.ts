import assert from 'node:assert/strict';
import type { Clock } from '../../runtime/clock.ts';
import { kafkaErrorName } from '../kafka/kafka-error.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import { DUPLICATE_SEQUENCE_NUMBER, kafkaResponseError } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { QueuedBatch } from './queued-batch.ts';

/**
 * Sends one batch and returns the offset of its first record; -1 if Kafka had it already and does
 * not say where. Waits as long as a quota requires. Rejects with DeliveryError if Kafka refuses the
 * batch, or if it is unknown whether the batch was appended.
 */
export async function produceBatch(
  cluster: KafkaCluster,
  { topic, partition }: Partition,
  batch: QueuedBatch,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<bigint> {
  assert(batch.encoded, 'a batch is sent before it is built');
  const response = await cluster.produce(topic, partition, batch.encoded);
  if (response.throttleMs > 0) await clock.sleep(response.throttleMs, signal).catch(() => {});
  if (response.errorCode === DUPLICATE_SEQUENCE_NUMBER) return -1n;
  if (response.errorCode !== 0) {
    throw kafkaResponseError(response.errorCode, kafkaErrorName(response.errorCode), response.errorMessage);
  }
  return response.baseOffset;
}
