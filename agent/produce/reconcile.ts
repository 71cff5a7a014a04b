import type { Logger } from '../../runtime/logger.ts';
import { batchHeaders } from '../encode/record-batch.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import { DeliveryError, TOPIC_AUTHORIZATION_FAILED } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { lastSequence, type QueuedBatch } from './outgoing-batch.ts';
import type { PartitionLedger } from './partition-ledger.ts';
import { sequenceAfter, sequenceDistance } from './sequence.ts';

/** What Kafka has of the batches that have a place and no answer. */
export interface Reconciliation {
  acknowledged: ReadonlySet<QueuedBatch>;
  /** The id goes on: the others are sent again with the same id and sequence, which also fences off a request still on its way. */
  keepsProducerId: boolean;
  /** false: Kafka may not tell. */
  isCertain: boolean;
}

const NONE: ReadonlySet<QueuedBatch> = new Set();

/**
 * Learns about the topic; whether it was deleted and made again since the ledger was begun. Rejects with DeliveryError, also while there is no
 * such topic, and with the code NO_PARTITION when it was made again without this partition.
 */
export async function wasTopicRecreated(cluster: KafkaCluster, ledger: PartitionLedger): Promise<boolean> {
  await cluster.refresh(ledger.topic);
  const count = await cluster.partitionCount(ledger.topic);
  const { clusterId, topicId } = await cluster.topicIncarnation(ledger.topic);
  const { incarnation: life } = ledger;
  const anew = life !== undefined && (clusterId !== life.clusterId || topicId !== life.topicId);
  // A broker that has not heard of a topic's growth yet tells too few: of a life that is the same.
  if (ledger.partition >= count && (anew || !life))
    throw new DeliveryError('NO_PARTITION', 'pausing', `${ledger.topic} has no partition ${ledger.partition} any more`);
  return anew;
}

/**
 * Asks the partition's leader for the last sequence that it has of our id (DescribeProducers, KIP-664): what goes up to it is delivered.
 * An id that it has forgotten (expired, or truncated with an unclean election) leaves that open: then the log itself is read. It keeps
 * with each batch who sent it, with which sequence. Rejects with DeliveryError when Kafka can't be asked now.
 */
export async function reconcile(
  cluster: KafkaCluster,
  ledger: PartitionLedger,
  open: readonly QueuedBatch[],
  logger: Logger,
): Promise<Reconciliation> {
  const { producer } = ledger;
  const life = await cluster.topicIncarnation(ledger.topic);
  if (!producer || life.clusterId !== ledger.incarnation?.clusterId)
    return { acknowledged: NONE, keepsProducerId: false, isCertain: true };
  const anew = life.topicId !== ledger.incarnation.topicId;
  try {
    // The new one may have what was sent before anybody noticed: a broker takes any sequence of an id that it does not know.
    if (anew)
      return { acknowledged: await readBack(cluster, ledger, open, 0n), keepsProducerId: false, isCertain: true };
    const last = await cluster.lastSequence(ledger.topic, ledger.partition, producer);
    if (last !== undefined) {
      const acknowledged = open.filter((batch) => sequenceDistance(lastSequence(batch), last) >= 0);
      const next = open[acknowledged.length]?.baseSequence ?? ledger.nextSequence;
      if (next === sequenceAfter(last, 1)) {
        await requireCommitted(cluster, ledger, acknowledged);
        return { acknowledged: new Set(acknowledged), keepsProducerId: ledger.isUsable, isCertain: true };
      }
    }
    const found = await readBack(cluster, ledger, open, ledger.lastOffset + 1n);
    // An id that nothing was sent by, as far as Kafka knows: its first batch may be on its way still. Sent again, it is there once.
    const unused = last === undefined && found.size === 0 && open[0]?.baseSequence === 0;
    return { acknowledged: found, keepsProducerId: unused && ledger.isUsable, isCertain: true };
  } catch (error) {
    // Both questions need the right to READ the topic.
    if (!(error instanceof DeliveryError) || error.kafkaCode !== TOPIC_AUTHORIZATION_FAILED) throw error;
    const remedy = 'grant the agent READ on the topic';
    const batches = open.length;
    if (batches > 0) logger.warn('Kafka may not tell what it has: batches may be there twice', { batches, remedy });
    return { acknowledged: NONE, keepsProducerId: ledger.isUsable && !anew, isCertain: false };
  }
}

/**
 * A leader tells also of what its replicas do not have yet, and what is lost if it dies now: a batch counts when consumers can read it. Rejects
 * with DeliveryError while they can't; then it is to be asked again.
 */
async function requireCommitted(
  cluster: KafkaCluster,
  ledger: PartitionLedger,
  batches: readonly QueuedBatch[],
): Promise<void> {
  const last = batches.slice(-1);
  const from = ledger.lastOffset + 1n;
  if ((await readBack(cluster, ledger, last, from)).size === last.length) return;
  // What retention has removed was there.
  if ((await cluster.offsets(ledger)).earliest > from) return;
  const { topic, partition } = ledger;
  const text = `the in-sync replicas of partition ${partition} of ${topic} do not have yet what its leader has`;
  throw new DeliveryError('KAFKA', 'retriable', text);
}

/** Takes an id, and notes where the partition ends: what will be sent by it comes after that. Rejects with DeliveryError. */
export async function acquireProducerId(cluster: KafkaCluster, ledger: PartitionLedger): Promise<void> {
  const producer = await cluster.initProducer();
  const { next } = await cluster.offsets(ledger);
  ledger.startProducer(await cluster.topicIncarnation(ledger.topic), producer, next - 1n);
}

/** Which of `open` the log holds, from offset `from` to its present end. */
async function readBack(
  cluster: KafkaCluster,
  ledger: PartitionLedger,
  open: readonly QueuedBatch[],
  from: bigint,
): Promise<ReadonlySet<QueuedBatch>> {
  const found = new Set<QueuedBatch>();
  const { producer } = ledger;
  if (open.length === 0 || !producer) return found;
  for await (const header of headersFrom(cluster, ledger, from)) {
    if (header.producer.id !== producer.id || header.producer.epoch !== producer.epoch) continue;
    const same = open.find(({ baseSequence }) => baseSequence === header.baseSequence);
    if (same?.recordCount === header.recordCount) found.add(same);
  }
  return found;
}

async function* headersFrom(cluster: KafkaCluster, at: Partition, from: bigint) {
  const { earliest, next } = await cluster.offsets(at);
  let offset = from < earliest || from > next ? earliest : from;
  while (offset < next) {
    const { records } = await cluster.fetch(at, offset);
    const before = offset;
    for (const header of batchHeaders(records)) {
      offset = header.lastOffset + 1n;
      yield header;
    }
    if (offset === before) throw new DeliveryError('KAFKA', 'retriable', `nothing could be read at offset ${offset}`);
  }
}
