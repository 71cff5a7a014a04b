import { randomUUID } from 'node:crypto';
import kafkajs from 'kafkajs';
import { registerCodecs } from '../support/kafkajs-codecs.ts';
import { countRecords } from '../support/topics.ts';
import type { SeenRecord } from './oracle.ts';

registerCodecs();

/** Reads a topic from its beginning with a client that is not ours, each record once. */
export interface TopicReader extends AsyncDisposable {
  /** How many records were read. */
  readonly records: number;
  /** Whether all records that the topic has now were read. Rejects while Kafka is unreachable. */
  isAtEnd(): Promise<boolean>;
}

export async function followTopic(
  bootstrap: readonly string[],
  topic: string,
  onRecord: (record: SeenRecord) => void,
): Promise<TopicReader> {
  const kafka = new kafkajs.Kafka({
    brokers: [...bootstrap],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 30 },
  });
  const consumer = kafka.consumer({ groupId: `chaos-${randomUUID()}`, maxWaitTimeInMs: 50 });
  // A consumer that restarts reads some records again. These are no duplicates in the topic.
  const nextOffsets = new Map<number, bigint>();
  let records = 0;
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachBatch: async ({ batch }) => {
      for (const { offset, value, headers } of batch.messages) {
        if (BigInt(offset) < (nextOffsets.get(batch.partition) ?? 0n)) continue;
        nextOffsets.set(batch.partition, BigInt(offset) + 1n);
        records++;
        const text = Object.entries(headers ?? {}).map(([key, header]) => [key, String(header)]);
        onRecord({ value: value ?? Buffer.alloc(0), headers: Object.fromEntries(text) });
      }
    },
  });
  return {
    get records() {
      return records;
    },
    isAtEnd: async () => (await countRecords(bootstrap, topic)) === records,
    [Symbol.asyncDispose]: () => consumer.disconnect(),
  };
}
