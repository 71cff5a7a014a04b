import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { kafkaErrorName } from '../kafka/kafka-error.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import { DeliveryError, DUPLICATE_SEQUENCE_NUMBER, kafkaResponseError } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { QueuedBatch } from './outgoing-batch.ts';

/**
 * Sends one batch and returns the offset of its first record, -1 when Kafka had it already and does not tell. Waits as long as a quota
 * asks for. Rejects with DeliveryError when Kafka has refused it, or when it is not known whether it was appended.
 */
export async function produceBatch(
  cluster: KafkaCluster,
  { topic, partition }: Partition,
  batch: QueuedBatch,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<bigint> {
  batch.attempts++;
  if (!batch.encoded) throw new RangeError('a batch was sent before it was built');
  const answer = await cluster.produce(topic, partition, batch.encoded);
  if (answer.throttleMs > 0) await clock.sleep(answer.throttleMs, signal).catch(() => {});
  if (answer.errorCode === DUPLICATE_SEQUENCE_NUMBER) return -1n;
  if (answer.errorCode !== 0) {
    throw kafkaResponseError(answer.errorCode, kafkaErrorName(answer.errorCode), answer.errorMessage);
  }
  return answer.baseOffset;
}

export function toDeliveryError(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  return new DeliveryError('NETWORK', 'retriable', errorText(error), { cause: error });
}
