import type { Logger } from '../../runtime/logger.ts';
import { batchHeaders } from '../encode/record-batch.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import { DeliveryError, TOPIC_AUTHORIZATION_FAILED } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { PartitionLedger } from './partition-ledger.ts';
import type { QueuedBatch } from './queued-batch.ts';
import { sequenceAfter, sequenceDistance } from './sequence.ts';

/** Which of the open batches Kafka has. */
export interface Reconciliation {
  acknowledged: ReadonlySet<QueuedBatch>;
  /**
   * The producer id stays in use: the other batches are sent again with the same id and sequences.
   * That also fences off a request that is still in transit.
   */
  keepsProducerId: boolean;
  /** False: Kafka does not permit the agent to find out. */
  isCertain: boolean;
}

const NONE: ReadonlySet<QueuedBatch> = new Set();

/**
 * Finds out which of the open batches Kafka has. DescribeProducers (KIP-664) returns the last
 * sequence that the partition's leader has of our producer id: batches up to it are acknowledged.
 * If the leader does not know the id (expired, or truncated by an unclean election), the log itself
 * is read: each batch in it carries its producer and sequence. Rejects with DeliveryError if Kafka
 * can't be asked now.
 */
export async function reconcile(
  cluster: KafkaCluster,
  ledger: PartitionLedger,
  open: readonly QueuedBatch[],
  logger: Logger,
): Promise<Reconciliation> {
  const { producer } = ledger;
  const now = await cluster.topicIncarnation(ledger.topic);
  if (!producer || now.clusterId !== ledger.incarnation?.clusterId)
    return { acknowledged: NONE, keepsProducerId: false, isCertain: true };
  const isRecreated = now.topicId !== ledger.incarnation.topicId;
  try {
    // The new topic may have batches that were sent before anybody noticed: a broker accepts any
    // sequence from a producer id that it does not know.
    if (isRecreated)
      return { acknowledged: await findInLog(cluster, ledger, open, 0n), keepsProducerId: false, isCertain: true };
    const last = await cluster.lastSequence(ledger.topic, ledger.partition, producer);
    if (last !== undefined) {
      const acknowledged = open.filter((batch) => sequenceDistance(batch.lastSequence, last) >= 0);
      const next = open[acknowledged.length]?.baseSequence ?? ledger.nextSequence;
      if (next === sequenceAfter(last, 1)) {
        await requireCommitted(cluster, ledger, acknowledged);
        return { acknowledged: new Set(acknowledged), keepsProducerId: ledger.isUsable, isCertain: true };
      }
    }
    const found = await findInLog(cluster, ledger, open, ledger.lastOffset + 1n);
    // Kafka has nothing of this id yet: its first batch may still be in transit. If it is sent
    // again, Kafka keeps it once.
    const isUnused = last === undefined && found.size === 0 && open[0]?.baseSequence === 0;
    return { acknowledged: found, keepsProducerId: isUnused && ledger.isUsable, isCertain: true };
  } catch (error) {
    // Both requests need the right to READ the topic.
    if (!(error instanceof DeliveryError) || error.kafkaCode !== TOPIC_AUTHORIZATION_FAILED) throw error;
    if (open.length > 0) {
      const remedy = 'grant the agent READ on the topic';
      logger.warn('the topic may not be read: batches may arrive twice', { count: open.length, remedy });
    }
    return { acknowledged: NONE, keepsProducerId: ledger.isUsable && !isRecreated, isCertain: false };
  }
}

/**
 * Requires that consumers can read the batches. A leader also reports sequences that its replicas
 * do not have yet, which are lost if it dies now. Rejects with DeliveryError while they can't be
 * read; the caller asks again.
 */
async function requireCommitted(
  cluster: KafkaCluster,
  ledger: PartitionLedger,
  batches: readonly QueuedBatch[],
): Promise<void> {
  const last = batches.slice(-1);
  const from = ledger.lastOffset + 1n;
  if ((await findInLog(cluster, ledger, last, from)).size === last.length) return;
  // Retention may have removed them.
  if ((await cluster.offsets(ledger)).earliest > from) return;
  const { topic, partition } = ledger;
  const text = `the in-sync replicas of partition ${partition} of ${topic} do not have the leader's last batches yet`;
  throw new DeliveryError('KAFKA', 'retriable', text);
}

/** Which of `open` the log has, from offset `from` to its present end. */
async function findInLog(
  cluster: KafkaCluster,
  ledger: PartitionLedger,
  open: readonly QueuedBatch[],
  from: bigint,
): Promise<ReadonlySet<QueuedBatch>> {
  const found = new Set<QueuedBatch>();
  const { producer } = ledger;
  if (open.length === 0 || !producer) return found;
  for await (const header of readBatchHeaders(cluster, ledger, from)) {
    if (header.producer.id !== producer.id || header.producer.epoch !== producer.epoch) continue;
    const same = open.find(({ baseSequence }) => baseSequence === header.baseSequence);
    if (same?.recordCount === header.recordCount) found.add(same);
  }
  return found;
}

async function* readBatchHeaders(cluster: KafkaCluster, at: Partition, from: bigint) {
  const { earliest, next } = await cluster.offsets(at);
  let offset = from < earliest || from > next ? earliest : from;
  while (offset < next) {
    const { records } = await cluster.fetch(at, offset);
    const before = offset;
    for (const header of batchHeaders(records)) {
      offset = header.lastOffset + 1n;
      yield header;
    }
    if (offset === before) throw new DeliveryError('KAFKA', 'retriable', `no batch could be read at offset ${offset}`);
  }
}
