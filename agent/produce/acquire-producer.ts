import { DeliveryError } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { PartitionLedger } from './partition-ledger.ts';
import { isSameIncarnation } from './topic-incarnation.ts';

/**
 * Acquires a producer id and notes where the partition ends now: batches sent with the id come
 * after that. Rejects with DeliveryError.
 */
export async function acquireProducer(cluster: KafkaCluster, ledger: PartitionLedger): Promise<void> {
  const producer = await cluster.initProducer();
  const { next } = await cluster.offsets(ledger);
  ledger.startProducer(await cluster.topicIncarnation(ledger.topic), producer, next - 1n);
}

/**
 * Refreshes what is known of the topic. Returns whether the topic was deleted and created again
 * since the producer id was acquired. Rejects with DeliveryError, also while the topic does not
 * exist; the code is NO_PARTITION if it was created again without this partition.
 */
export async function wasTopicRecreated(cluster: KafkaCluster, ledger: PartitionLedger): Promise<boolean> {
  const { topic, partition, incarnation } = ledger;
  await cluster.refresh(topic);
  const count = await cluster.partitionCount(topic);
  const now = await cluster.topicIncarnation(topic);
  const isRecreated = incarnation !== undefined && !isSameIncarnation(now, incarnation);
  // A broker that has not heard of a topic's growth yet reports too few partitions. So a missing
  // partition of the same incarnation is not gone.
  if (partition >= count && (isRecreated || !incarnation))
    throw new DeliveryError('NO_PARTITION', 'pausing', `${topic} no longer has a partition ${partition}`);
  return isRecreated;
}
