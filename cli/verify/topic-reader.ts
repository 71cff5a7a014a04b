import { type ClusterMetadata, Consumer } from '@platformatic/kafka';
import { createBackoff } from '../../runtime/backoff.ts';
import { systemClock } from '../../runtime/clock.ts';
import { CodedError, errorText } from '../../runtime/errors.ts';
import type { Login, TlsMaterial } from '../../runtime/security.ts';

type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;
type Batch = NonNullable<FetchResponse['responses'][number]['partitions'][number]['records']>[number];

const EARLIEST = -2n;
const LATEST = -1n;
/**
 * Small, because a byte on the wire can take ten in memory once records are decompressed objects.
 */
const FETCH = { maxBytes: 512 * 1024, maxWaitTime: 500, minBytes: 1 };
const PARTITION_BYTES_MAX = 256 * 1024;
/** The most failures in a row. */
const FAILURES_MAX = 6;
const RETRY = { initialMs: 200, maxMs: 3_000 };

export class TopicReadError extends CodedError<'NO_TOPIC' | 'UNREADABLE'> {}

export interface KafkaSettings {
  brokers: readonly string[];
  tls: TlsMaterial | undefined;
  sasl: Login | undefined;
}

/** A range of one partition to read. Reading moves `at` to `end`. */
export interface Span {
  topic: string;
  partition: number;
  at: bigint;
  end: bigint;
  /** Whether it starts at offset 0, so that no record was removed by retention. */
  whole: boolean;
}

export interface TopicRecord {
  topic: string;
  partition: number;
  offset: bigint;
  value: Buffer | null;
  headers: readonly (readonly [key: Buffer | null, value: Buffer | null])[];
}

/**
 * Reads topics by partition and offset, without a consumer group: the READ permission on the topic
 * suffices.
 */
export class TopicReader {
  readonly #consumer: Consumer;

  constructor({ brokers, tls, sasl }: KafkaSettings) {
    this.#consumer = new Consumer({
      clientId: 'logfleet-verify',
      // Required by the package, but never used.
      groupId: 'logfleet-verify',
      bootstrapBrokers: [...brokers],
      retries: 2,
      retryDelay: 300,
      autocreateTopics: false,
      ...(tls && { tls }),
      ...(sasl && { sasl }),
    });
  }

  async close(): Promise<void> {
    await this.#consumer.close(true).catch(() => {});
  }

  /**
   * The partitions of `topic` from `sinceMs` or their beginning to their present end. Rejects with
   * TopicReadError.
   */
  async spans(topic: string, sinceMs: number | undefined): Promise<Span[]> {
    try {
      const count = (await this.#metadata([topic])).topics.get(topic)?.partitionsCount ?? 0;
      // A fetch requests metadata of all tracked topics, and fails if one is missing.
      this.#consumer.topics.track(topic);
      const [earliest, end] = [await this.#offsets(topic, EARLIEST), await this.#offsets(topic, LATEST)];
      const since = sinceMs === undefined ? earliest : await this.#offsets(topic, BigInt(sinceMs));
      return Array.from({ length: count }, (_, partition) => {
        const last = end[partition] ?? 0n;
        const from = since[partition] ?? 0n;
        // -1: no record is that recent.
        return { topic, partition, at: from < 0n ? last : from, end: last, whole: from === 0n };
      });
    } catch (error) {
      throw readError(topic, error);
    }
  }

  /**
   * Reads all spans to their ends in parallel. Rejects with TopicReadError after repeated failures.
   */
  async read(spans: readonly Span[], onRecord: (record: TopicRecord) => void): Promise<void> {
    const backoff = createBackoff(RETRY);
    let failures = 0;
    for (let open = unfinished(spans); open.length > 0; open = unfinished(spans)) {
      try {
        await this.#round(open, onRecord);
        failures = 0;
        backoff.reset();
      } catch (error) {
        if (++failures >= FAILURES_MAX) throw readError(open[0]?.topic ?? '', error);
        await systemClock.sleep(backoff.next());
        await this.#catchUp(open).catch(() => {});
      }
    }
  }

  async #round(open: readonly Span[], onRecord: (record: TopicRecord) => void): Promise<void> {
    const topics = [...new Set(open.map(({ topic }) => topic))];
    const metadata = await this.#metadata(topics);
    const byLeader = Map.groupBy(open, ({ topic, partition }) => {
      const leader = metadata.topics.get(topic)?.partitions[partition]?.leader ?? -1;
      if (leader < 0) throw new Error(`partition ${partition} of ${topic} has no leader now`);
      return leader;
    });
    const fetches = [...byLeader].map(async ([node, spans]) => {
      take(await this.#fetch(metadata, node, spans), metadata, spans, onRecord);
    });
    for (const { reason } of (await Promise.allSettled(fetches)).filter(({ status }) => status === 'rejected') as {
      reason: unknown;
    }[])
      throw reason;
  }

  #fetch(metadata: ClusterMetadata, node: number, spans: readonly Span[]): Promise<FetchResponse> {
    const topics = [...Map.groupBy(spans, ({ topic }) => topic)].map(([topic, own]) => ({
      topicId: metadata.topics.get(topic)?.id ?? '',
      partitions: own.map(({ partition, at }) => ({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: at,
        lastFetchedEpoch: -1,
        partitionMaxBytes: PARTITION_BYTES_MAX,
      })),
    }));
    return this.#consumer.fetch({ node, topics, isolationLevel: 0, ...FETCH });
  }

  /** A leader may have moved, or retention may have removed the next records. */
  async #catchUp(spans: readonly Span[]): Promise<void> {
    this.#consumer.clearMetadata();
    for (const [topic, own] of Map.groupBy(spans, (span) => span.topic)) {
      const earliest = await this.#offsets(topic, EARLIEST);
      for (const span of own) {
        const first = earliest[span.partition] ?? 0n;
        if (first <= span.at) continue;
        span.at = first;
        span.whole = false;
      }
    }
  }

  #metadata(topics: string[]): Promise<ClusterMetadata> {
    return this.#consumer.metadata({ topics, autocreateTopics: false });
  }

  async #offsets(topic: string, timestamp: bigint): Promise<bigint[]> {
    return (await this.#consumer.listOffsets({ topics: [topic], timestamp, isolationLevel: 0 })).get(topic) ?? [];
  }
}

function unfinished(spans: readonly Span[]): Span[] {
  return spans.filter(({ at, end }) => at < end);
}

function take(
  { responses }: FetchResponse,
  metadata: ClusterMetadata,
  spans: readonly Span[],
  onRecord: (record: TopicRecord) => void,
): void {
  for (const { topicId, partitions } of responses) {
    for (const { partitionIndex, records: batches } of partitions) {
      const isIts = ({ topic, partition }: Span) =>
        partition === partitionIndex && metadata.topics.get(topic)?.id === topicId;
      const span = spans.find(isIts);
      for (const batch of (span && batches) ?? []) takeBatch(batch, span as Span, onRecord);
    }
  }
}

/** The attribute of batches with transaction markers instead of records. */
const IS_CONTROL = 1 << 5;

function takeBatch(batch: Batch, span: Span, onRecord: (record: TopicRecord) => void): void {
  const { topic, partition } = span;
  if ((batch.attributes & IS_CONTROL) === 0) {
    for (const { offsetDelta, value, headers } of batch.records) {
      const offset = batch.firstOffset + BigInt(offsetDelta);
      // Kafka returns whole batches, also when the span starts or ends inside one.
      if (offset >= span.at && offset < span.end) onRecord({ topic, partition, offset, value, headers });
    }
  }
  const next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
  if (next > span.at) span.at = next;
}

function readError(topic: string, error: unknown): TopicReadError {
  // The package reports a missing topic in its own words, Kafka with a code.
  if (/Unknown topic|UNKNOWN_TOPIC_OR_PARTITION/.test(errorText(error)))
    return new TopicReadError('NO_TOPIC', `there is no topic ${topic}`, { cause: error });
  return new TopicReadError('UNREADABLE', `can't read topic ${topic}: ${errorText(error)}`, { cause: error });
}
