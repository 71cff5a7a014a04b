import type { ProducerIdentity } from '../kafka/kafka-messages.ts';
import { DeliveryError, TOPIC_AUTHORIZATION_FAILED } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';

/**
 * The last sequence that the partition's leader has of `producer`; undefined when it does not know the id, or may not tell: without the
 * right to READ the topic (KIP-664) the question can't be asked. Rejects with DeliveryError when it can be asked again.
 */
export async function lastSequenceOf(
  cluster: KafkaCluster,
  { topic, partition }: { topic: string; partition: number },
  producer: ProducerIdentity,
): Promise<number | undefined> {
  try {
    return await cluster.lastSequence(topic, partition, producer);
  } catch (error) {
    if (error instanceof DeliveryError && error.kafkaCode === TOPIC_AUTHORIZATION_FAILED) return undefined;
    throw error;
  }
}
