import { KafkaCluster } from '../../agent/produce/kafka-cluster.ts';
import type { LoggedBytes } from './fixture.ts';
import type { BatchIdentity } from './state-dump.ts';

/*
 * The fields of a record batch that are used here
 * (https://kafka.apache.org/documentation/#recordbatch). They are read without the agent's code,
 * which is under test.
 */
const LENGTH_AT = 8;
const LENGTH_COUNTS_FROM = 12;
const LAST_OFFSET_DELTA_AT = 23;
const PRODUCER_ID_AT = 43;
const BASE_SEQUENCE_AT = 53;

export function identityOf(batch: Buffer): BatchIdentity {
  return { producerId: batch.readBigInt64BE(PRODUCER_ID_AT), baseSequence: batch.readInt32BE(BASE_SEQUENCE_AT) };
}

/** All record batches of the topics, in the order of each partition's log. */
export async function loggedBatches(brokers: readonly string[], topics: readonly string[]): Promise<LoggedBytes[]> {
  const cluster = new KafkaCluster({ clientId: 'record', brokers, createTopics: false });
  const found: LoggedBytes[] = [];
  for (const topic of topics) {
    for (let partition = 0; partition < (await cluster.partitionCount(topic)); partition++) {
      const { next } = await cluster.offsets({ topic, partition });
      for (let offset = 0n; offset < next; ) {
        const { records } = await cluster.fetch({ topic, partition }, offset);
        for (const batch of split(records)) {
          found.push({ topic, partition, base64: batch.toString('base64') });
          offset = batch.readBigInt64BE(0) + BigInt(batch.readInt32BE(LAST_OFFSET_DELTA_AT)) + 1n;
        }
      }
    }
  }
  await cluster.close();
  return found;
}

function* split(log: Buffer): Generator<Buffer> {
  for (let at = 0; at + LENGTH_COUNTS_FROM <= log.length; ) {
    const end = at + LENGTH_COUNTS_FROM + log.readInt32BE(at + LENGTH_AT);
    if (end > log.length) return;
    yield log.subarray(at, end);
    at = end;
  }
}

/**
 * Leaves out the second half of the open batches of each partition. The agent has an intent for
 * them, so the result is what Kafka has when the agent is killed before they are sent.
 */
export function withoutLastOpen(
  batches: readonly LoggedBytes[],
  open: readonly BatchIdentity[],
): { kept: LoggedBytes[]; withheld: number } {
  const isOpen = ({ base64 }: LoggedBytes) => {
    const { producerId, baseSequence } = identityOf(Buffer.from(base64, 'base64'));
    return open.some((intent) => intent.producerId === producerId && intent.baseSequence === baseSequence);
  };
  const groups = Map.groupBy(batches, ({ topic, partition }) => `${topic}/${partition}`);
  const kept = [...groups.values()].flatMap((group) => {
    const first = group.findIndex(isOpen);
    return first < 0 ? group : group.slice(0, first + Math.ceil((group.length - first) / 2));
  });
  return { kept, withheld: batches.length - kept.length };
}
