import type { ConnectionOptions as TlsOptions } from 'node:tls';
import {
  apiVersionsV3,
  type Broker,
  Connection,
  describeProducersV0,
  initProducerIdV4,
  metadataV12,
  type SASLOptions,
} from '@platformatic/kafka';
import { errorText } from '../../runtime/errors.ts';
import { DeliveryError, kafkaAnswerError, UNKNOWN_TOPIC_OR_PARTITION } from './delivery-error.ts';
import { kafkaErrorName, PRODUCE, PRODUCE_VERSIONS, type ProduceAnswer, sendProduce } from './kafka-wire.ts';
import type { ProducerIdentity } from './record-batch.ts';

export interface ClusterOptions {
  clientId: string;
  /** Addresses to learn the cluster from, `host:port`. */
  brokers: readonly string[];
  tls?: TlsOptions;
  sasl?: SASLOptions;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** How long a broker may take to answer; longer than PRODUCE_TIMEOUT_MS, after which it answers REQUEST_TIMED_OUT itself. */
const REQUEST_TIMEOUT_MS = 30_000;
const PRODUCE_TIMEOUT_MS = 20_000;
/** Routes bound what is in flight (five batches each), not the connection. */
const CONNECTION_INFLIGHT_MAX = 1_000;
/** Metadata asked for again within this time is answered from the last answer, so that fifty routes ask once. */
const METADATA_FRESH_MS = 200;

interface Link {
  connection: Connection;
  produceVersion: number;
}

interface TopicView {
  errorCode: number;
  /** Leader node by partition; -1 while it has none. */
  leaders: number[];
}

/**
 * The agent's view of one Kafka cluster: connections by broker, partitions and leaders by topic, and the few calls the agent
 * makes. The library does connections, TLS and SASL; retries are the callers'. Every method rejects with DeliveryError.
 */
export class KafkaCluster {
  readonly #options: ClusterOptions;
  readonly #links = new Map<string, Promise<Link>>();
  readonly #topics = new Map<string, TopicView>();
  readonly #refreshes = new Map<string, { atMs: number; done: Promise<void> }>();
  #brokers = new Map<number, Broker>();
  #closed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** How many partitions `topic` has. */
  async partitionCount(topic: string): Promise<number> {
    if (!this.#topics.has(topic)) await this.refresh(topic);
    const view = this.#topics.get(topic);
    if (view?.errorCode !== 0) {
      const code = view?.errorCode ?? UNKNOWN_TOPIC_OR_PARTITION;
      this.#topics.delete(topic);
      throw kafkaAnswerError(code, kafkaErrorName(code), `topic ${topic}`);
    }
    return view.leaders.length;
  }

  /** Asks the cluster anew who leads the partitions of `topic`. */
  refresh(topic: string): Promise<void> {
    const last = this.#refreshes.get(topic);
    if (last && performance.now() - last.atMs < METADATA_FRESH_MS) return last.done;
    const done = this.#fetchMetadata(topic);
    this.#refreshes.set(topic, { atMs: performance.now(), done });
    return done;
  }

  /** A new producer id; its sequences start at 0 on every partition. */
  async initProducer(): Promise<ProducerIdentity> {
    const link = await this.#anyLink();
    const answer = await call(() => initProducerIdV4.api.async(link.connection, null, 0));
    return { id: answer.producerId, epoch: answer.producerEpoch };
  }

  /** Appends one encoded batch; the answer may be an error of Kafka's. Rejects when it is not known whether it was appended. */
  async produce(topic: string, partition: number, batch: Buffer): Promise<ProduceAnswer> {
    const link = await this.#leaderLink(topic, partition);
    const target = { topic, partition, version: link.produceVersion, timeoutMs: PRODUCE_TIMEOUT_MS };
    return call(() => sendProduce(link.connection, target, batch));
  }

  /** The last sequence that the partition's leader has of `producer`; undefined when it does not know the id (KIP-664). */
  async lastSequence(topic: string, partition: number, producer: ProducerIdentity): Promise<number | undefined> {
    const link = await this.#leaderLink(topic, partition);
    const request = [{ name: topic, partitionIndexes: [partition] }];
    const answer = await call(() => describeProducersV0.api.async(link.connection, request));
    const known = answer.topics[0]?.partitions[0]?.activeProducers.find(
      (active) => active.producerId === producer.id && active.producerEpoch === producer.epoch,
    );
    return known?.lastSequence;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const links = await Promise.allSettled(this.#links.values());
    this.#links.clear();
    await Promise.allSettled(links.map((link) => link.status === 'fulfilled' && link.value.connection.close()));
  }

  async #fetchMetadata(topic: string): Promise<void> {
    const link = await this.#anyLink();
    const answer = await call(() => metadataV12.api.async(link.connection, [topic], false, false)).catch(
      keepTopicErrors,
    );
    this.#brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    const found = answer.topics.find(({ name }) => name === topic);
    if (!found) return;
    const leaders: number[] = [];
    for (const { partitionIndex, leaderId } of found.partitions) leaders[partitionIndex] = leaderId;
    this.#topics.set(topic, { errorCode: found.errorCode, leaders });
  }

  async #leaderLink(topic: string, partition: number): Promise<Link> {
    if (!this.#topics.has(topic)) await this.refresh(topic);
    const view = this.#topics.get(topic);
    if (view?.errorCode !== 0 || partition >= view.leaders.length) {
      const code = view?.errorCode || UNKNOWN_TOPIC_OR_PARTITION;
      throw kafkaAnswerError(code, kafkaErrorName(code), `partition ${partition} of topic ${topic}`);
    }
    const broker = this.#brokers.get(view.leaders[partition] ?? -1);
    if (!broker)
      throw new DeliveryError('KAFKA', 'retriable', `partition ${partition} of topic ${topic} has no leader now`);
    return this.#link(broker);
  }

  /** A link to whichever broker answers first in order: those known already, then those configured. */
  async #anyLink(): Promise<Link> {
    const failures: unknown[] = [];
    for (const broker of [...this.#brokers.values(), ...this.#options.brokers.map(parseBroker)]) {
      try {
        return await this.#link(broker);
      } catch (error) {
        failures.push(error);
      }
    }
    const worst =
      failures.find((error) => error instanceof DeliveryError && error.kind === 'pausing') ?? failures.at(-1);
    throw asDeliveryError(worst);
  }

  #link(broker: Broker): Promise<Link> {
    const key = `${broker.host}:${broker.port}`;
    const present = this.#links.get(key);
    if (present !== undefined) return present;
    const link = this.#connect(broker, () => forget());
    const forget = () => {
      if (this.#links.get(key) === link) this.#links.delete(key);
    };
    this.#links.set(key, link);
    link.catch(forget);
    return link;
  }

  async #connect({ host, port }: Broker, onClose: () => void): Promise<Link> {
    if (this.#closed) throw new DeliveryError('NETWORK', 'retriable', 'the agent is stopping');
    const { clientId, tls, sasl } = this.#options;
    const connection = new Connection(clientId, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      maxInflights: CONNECTION_INFLIGHT_MAX,
      ...(tls && { tls: { servername: host, ...tls } }),
      ...(sasl && { sasl }),
    });
    // Errors reach the callers through their requests; without a listener the emitter would end the process.
    connection.on('error', onClose);
    connection.on('close', onClose);
    await call(() => connection.connect(host, port) as Promise<void>, `can't connect to Kafka at ${host}:${port}`);
    const versions = await call(() => apiVersionsV3.api.async(connection, 'logfleet', '0.1.0'));
    const produce = versions.apiKeys.find(({ apiKey }) => apiKey === PRODUCE);
    if (!produce || produce.maxVersion < PRODUCE_VERSIONS.min) {
      await connection.close();
      throw new DeliveryError(
        'UNSUPPORTED',
        'pausing',
        `the broker at ${host}:${port} is older than Kafka 2.8: upgrade it`,
      );
    }
    return { connection, produceVersion: Math.min(produce.maxVersion, PRODUCE_VERSIONS.max) };
  }
}

async function call<T>(request: () => Promise<T>, context?: string): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw asDeliveryError(error, context);
  }
}

/** The library throws for an answer with any error in it; metadata's answer is worth having all the same. */
function keepTopicErrors(error: unknown): ReturnType<typeof metadataV12.parseResponse> {
  const answer = ((error as Error).cause as { response?: unknown } | undefined)?.response;
  if (!answer) throw error;
  return answer as ReturnType<typeof metadataV12.parseResponse>;
}

function asDeliveryError(error: unknown, context?: string): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const known = error as { code?: string; errors?: { apiCode?: number; message?: string }[] };
  const kafkaCode = known.errors?.find(({ apiCode }) => typeof apiCode === 'number')?.apiCode;
  if (kafkaCode) return kafkaAnswerError(kafkaCode, kafkaErrorName(kafkaCode), context);
  const cause = (error as Error).cause ?? error;
  const denied =
    known.code === 'PLT_KFK_AUTHENTICATION' || (cause as { code?: string }).code === 'PLT_KFK_AUTHENTICATION';
  if (denied)
    return new DeliveryError('AUTHENTICATION', 'pausing', `${errorText(error)}: check kafka.sasl`, { cause: error });
  const text = context ?? 'the connection to Kafka failed';
  return new DeliveryError('NETWORK', 'retriable', `${text}: ${errorText(error)}`, { cause: error });
}

function parseBroker(address: string): Broker {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}
