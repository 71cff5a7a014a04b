import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import kafkajs from 'kafkajs';
import { eventually } from './eventually.ts';
import { registerCodecs } from './kafkajs-codecs.ts';

/** A record as an independent client (kafkajs) reads it. */
export interface ReadRecord {
  partition: number;
  offset: bigint;
  timestampMs: number;
  key: Buffer | null;
  value: Buffer;
  headers: Record<string, string>;
}

registerCodecs();

/** How a test's client connects where Kafka requires TLS or a login. */
export type Entrance = Pick<kafkajs.KafkaConfig, 'ssl' | 'sasl'>;

function client(bootstrap: readonly string[], entrance: Entrance) {
  return new kafkajs.Kafka({
    brokers: [...bootstrap],
    ...entrance,
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 12 },
  });
}

/** A new topic name. The topic does not exist yet. */
export function newTopic(): string {
  return `test-${randomUUID()}`;
}

/** Creates a topic, with a new name unless one is given, and returns the name. */
export async function createTopic(
  bootstrap: readonly string[],
  partitions = 1,
  {
    entrance = {},
    name = newTopic(),
    ...config
  }: Omit<kafkajs.ITopicConfig, 'topic'> & { entrance?: Entrance; name?: string } = {},
): Promise<string> {
  const admin = client(bootstrap, entrance).admin();
  await admin.connect();
  try {
    await admin.createTopics({
      topics: [{ topic: name, numPartitions: partitions, ...config }],
      waitForLeaders: false,
    });
    // kafkajs gives up waiting when a busy broker does not know the topic yet.
    await eventually(async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
      assert.ok(topics.every((topic) => topic.partitions.every(({ leader }) => leader >= 0)));
    });
  } finally {
    await admin.disconnect();
  }
  return name;
}

export async function deleteTopic(bootstrap: readonly string[], topic: string): Promise<void> {
  const admin = client(bootstrap, {}).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await admin.disconnect();
  }
}

/** Gives a topic more partitions. */
export async function growTopic(bootstrap: readonly string[], topic: string, partitions: number): Promise<void> {
  const admin = client(bootstrap, {}).admin();
  await admin.connect();
  try {
    await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] });
  } finally {
    await admin.disconnect();
  }
}

/** The broker that leads the topic's first partition. */
export async function leaderOf(bootstrap: readonly string[], topic: string): Promise<number> {
  const admin = client(bootstrap, {}).admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions[0]?.leader ?? -1;
  } finally {
    await admin.disconnect();
  }
}

/** How many replicas of the topic's first partition are in sync. */
export async function inSyncReplicas(bootstrap: readonly string[], topic: string): Promise<number> {
  const admin = client(bootstrap, {}).admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions[0]?.isr.length ?? 0;
  } finally {
    await admin.disconnect();
  }
}

/** The configs that a topic has of its own, not by the brokers' defaults. */
export async function topicConfigs(bootstrap: readonly string[], topic: string): Promise<Record<string, string>> {
  const admin = client(bootstrap, {}).admin();
  await admin.connect();
  try {
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic };
    const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false });
    const own =
      resources[0]?.configEntries.filter(({ configSource }) => configSource === kafkajs.ConfigSource.TOPIC_CONFIG) ??
      [];
    return Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue]));
  } finally {
    await admin.disconnect();
  }
}

/** Sets configs of a topic. */
export async function alterTopic(bootstrap: readonly string[], topic: string, configs: Record<string, string>) {
  const admin = client(bootstrap, {}).admin();
  await admin.connect();
  try {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries };
    await admin.alterConfigs({ validateOnly: false, resources: [resource] });
  } finally {
    await admin.disconnect();
  }
}

/** Appends records as an independent client writes them. */
export async function produce(
  bootstrap: readonly string[],
  topic: string,
  messages: readonly kafkajs.Message[],
  compression = kafkajs.CompressionTypes.None,
): Promise<void> {
  const producer = client(bootstrap, {}).producer();
  await producer.connect();
  try {
    await producer.send({ topic, messages: [...messages], compression });
  } finally {
    await producer.disconnect();
  }
}

/** The names of all topics. */
export async function topicNames(bootstrap: readonly string[]): Promise<string[]> {
  const admin = client(bootstrap, {}).admin();
  await admin.connect();
  try {
    return await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
}

/** How many records a topic has; 0 while it does not exist. */
export async function countRecords(
  bootstrap: readonly string[],
  topic: string,
  entrance: Entrance = {},
): Promise<number> {
  const admin = client(bootstrap, entrance).admin();
  await admin.connect();
  try {
    const offsets = await admin.fetchTopicOffsets(topic);
    return offsets.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
  } finally {
    await admin.disconnect();
  }
}

/** Reads a topic from its beginning to the end it has now, in the order of partition and offset. */
export async function readTopic(
  bootstrap: readonly string[],
  topic: string,
  entrance: Entrance = {},
): Promise<ReadRecord[]> {
  const kafka = client(bootstrap, entrance);
  const expected = await countRecords(bootstrap, topic, entrance);
  if (expected === 0) return [];
  const consumer = kafka.consumer({ groupId: `test-${randomUUID()}`, maxWaitTimeInMs: 50 });
  const records: ReadRecord[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error));
      consumer
        .run({
          eachBatch: async ({ batch }) => {
            for (const message of batch.messages) records.push(toRecord(batch.partition, message));
            if (records.length >= expected) resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return records.sort((a, b) => a.partition - b.partition || (a.offset < b.offset ? -1 : 1));
}

function toRecord(partition: number, message: kafkajs.KafkaMessage): ReadRecord {
  const headers = Object.entries(message.headers ?? {}).map(([key, value]) => [key, String(value)]);
  return {
    partition,
    offset: BigInt(message.offset),
    timestampMs: Number(message.timestamp),
    key: message.key,
    value: message.value ?? Buffer.alloc(0),
    headers: Object.fromEntries(headers),
  };
}
