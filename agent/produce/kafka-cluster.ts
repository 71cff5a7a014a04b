import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Login, TlsMaterial } from '../../runtime/security.ts';
import type { RecordBatch } from '../encode/record-batch.ts';
import { type BrokerAddress, KafkaConnection } from '../kafka/kafka-connection.ts';
import { type KafkaConnectionError, kafkaErrorName } from '../kafka/kafka-error.ts';
import { EARLIEST, type FetchResult, fetch, LATEST, listOffsets, type Partition } from '../kafka/kafka-fetch.ts';
import {
  apis,
  type ClusterMetadata,
  describeProducers,
  initProducerId,
  metadata,
  type ProducerIdentity,
  type TopicMetadata,
} from '../kafka/kafka-messages.ts';
import { type ProduceResult, produce } from '../kafka/kafka-produce.ts';
import type { KafkaRequest } from '../kafka/kafka-request.ts';
import { DeliveryError, kafkaResponseError, UNKNOWN_TOPIC_OR_PARTITION } from './delivery-error.ts';

export interface ClusterOptions {
  clientId: string;
  /** Addresses to learn the cluster from, `host:port`. */
  brokers: readonly string[];
  /** Read for each new connection. */
  tls?: { readonly current: TlsMaterial | undefined };
  /** Read for each new connection. */
  sasl?: { readonly current: Login | undefined };
  /** Ask the brokers to make topics that are missing, which they do where `auto.create.topics.enable` is set. */
  createTopics: boolean;
  /** How old what is known of a topic's partitions may become; 5 minutes, as with Kafka's own clients, unless given. */
  metadataAgeMsMax?: number;
}

/** How long a broker may wait for the in-sync replicas; it then answers REQUEST_TIMED_OUT. */
const PRODUCE_TIMEOUT_MS = 20_000;
/** Metadata asked for again within this time is answered from the last answer, so that fifty routes ask once. */
const METADATA_FRESH_MS = 200;

const METADATA_AGE_MS_MAX = 300_000;

const FETCH_BYTES_MAX = 2 * 1024 * 1024;

const NEEDS = [apis.produce, apis.fetch, apis.listOffsets, apis.metadata, apis.initProducerId, apis.describeProducers];

interface Link {
  opened: Promise<KafkaConnection>;
  /** undefined until it is open. */
  connection: KafkaConnection | undefined;
}

/**
 * The agent's view of one Kafka cluster: connections by broker, partitions and leaders by topic, and the few calls the agent
 * makes. Retries are the callers'. Every method rejects with DeliveryError.
 */
export class KafkaCluster {
  readonly #options: ClusterOptions;
  readonly #links = new Map<string, Link>();
  readonly #topics = new Map<string, TopicMetadata & { atMs: number }>();
  readonly #refreshes = new Map<string, { atMs: number; done: Promise<void> }>();
  #brokers = new Map<number, BrokerAddress>();
  #clusterId = '';
  #closed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** How many partitions `topic` has; it may grow, and be deleted and made anew. */
  async partitionCount(topic: string): Promise<number> {
    const { metadataAgeMsMax = METADATA_AGE_MS_MAX } = this.#options;
    const learntMs = this.#topics.get(topic)?.atMs ?? Number.NEGATIVE_INFINITY;
    if (systemClock.monotonicMs() - learntMs > metadataAgeMsMax) await this.refresh(topic);
    const view = this.#topics.get(topic);
    if (view?.errorCode !== 0) {
      this.#topics.delete(topic);
      throw answerError(view?.errorCode ?? UNKNOWN_TOPIC_OR_PARTITION, `topic ${topic}`);
    }
    return view.leaders.length;
  }

  /** Asks the cluster anew who leads the partitions of `topic`. */
  refresh(topic: string): Promise<void> {
    const last = this.#refreshes.get(topic);
    if (last && systemClock.monotonicMs() - last.atMs < METADATA_FRESH_MS) return last.done;
    const done = this.#fetchMetadata(topic);
    this.#refreshes.set(topic, { atMs: systemClock.monotonicMs(), done });
    return done;
  }

  /** A new producer id; its sequences start at 0 on every partition. */
  async initProducer(): Promise<ProducerIdentity> {
    const answer = await call(await this.#anyBroker(), initProducerId());
    if (answer.errorCode !== 0) throw answerError(answer.errorCode, null);
    return { id: answer.id, epoch: answer.epoch };
  }

  /** Appends one encoded batch; the answer may be an error of Kafka's. Rejects when it is not known whether it was appended. */
  async produce(topic: string, partition: number, batch: RecordBatch): Promise<ProduceResult> {
    const target = { topic, partition, timeoutMs: PRODUCE_TIMEOUT_MS };
    const leader = await this.#leader(topic, partition);
    return call(leader, produce(target, [batch.header, ...batch.records]));
  }

  /** The last sequence that the partition's leader has of `producer`; undefined when it does not know the id (KIP-664). */
  async lastSequence(topic: string, partition: number, producer: ProducerIdentity): Promise<number | undefined> {
    const answer = await call(await this.#leader(topic, partition), describeProducers(topic, partition));
    if (answer.errorCode !== 0) throw answerError(answer.errorCode, answer.errorMessage);
    const known = answer.producers.find(({ id, epoch }) => id === producer.id && epoch === producer.epoch);
    return known?.lastSequence;
  }

  /** Which cluster it is and which life of the topic, as last learnt. Rejects while the topic is not there. */
  async topicIncarnation(topic: string): Promise<{ clusterId: string; topicId: string }> {
    if (!this.#topics.has(topic)) await this.refresh(topic);
    const view = this.#topics.get(topic);
    // An error comes with another topic id, or none: that tells nothing about the topic's life.
    if (view?.errorCode !== 0) throw answerError(view?.errorCode ?? UNKNOWN_TOPIC_OR_PARTITION, `topic ${topic}`);
    return { clusterId: this.#clusterId, topicId: view.id };
  }

  /** The first offset that a partition still has, and the one that its next record will get. */
  async offsets(at: Partition): Promise<{ earliest: bigint; next: bigint }> {
    const leader = await this.#leader(at.topic, at.partition);
    const [earliest, next] = [
      await call(leader, listOffsets(at, EARLIEST)),
      await call(leader, listOffsets(at, LATEST)),
    ];
    const errorCode = earliest.errorCode || next.errorCode;
    if (errorCode !== 0) throw answerError(errorCode, null);
    return { earliest: earliest.offset, next: next.offset };
  }

  /** Record batches from `offset` on, as they are in the log. */
  async fetch(at: Partition, offset: bigint): Promise<FetchResult> {
    const answer = await call(await this.#leader(at.topic, at.partition), fetch(at, offset, FETCH_BYTES_MAX));
    if (answer.errorCode !== 0) throw answerError(answer.errorCode, null);
    return answer;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const links = await Promise.allSettled([...this.#links.values()].map(({ opened }) => opened));
    this.#links.clear();
    for (const link of links) if (link.status === 'fulfilled') link.value.close();
  }

  async #fetchMetadata(topic: string): Promise<void> {
    const answer: ClusterMetadata = await call(await this.#anyBroker(), metadata([topic], this.#options.createTopics));
    this.#brokers = answer.brokers;
    this.#clusterId = answer.clusterId;
    const found = answer.topics.get(topic);
    if (found) this.#topics.set(topic, { ...found, atMs: systemClock.monotonicMs() });
  }

  async #leader(topic: string, partition: number): Promise<KafkaConnection> {
    if (!this.#topics.has(topic)) await this.refresh(topic);
    const view = this.#topics.get(topic);
    if (view?.errorCode !== 0 || partition >= view.leaders.length) {
      throw answerError(view?.errorCode || UNKNOWN_TOPIC_OR_PARTITION, `partition ${partition} of topic ${topic}`);
    }
    const broker = this.#brokers.get(view.leaders[partition] ?? -1);
    if (!broker)
      throw new DeliveryError('KAFKA', 'retriable', `partition ${partition} of topic ${topic} has no leader now`);
    return this.#link(broker);
  }

  /** A connection to whichever broker answers first in order: those known already, then those configured. */
  async #anyBroker(): Promise<KafkaConnection> {
    const failures: DeliveryError[] = [];
    for (const broker of [...this.#brokers.values(), ...this.#options.brokers.map(parseBroker)]) {
      try {
        return await this.#link(broker);
      } catch (error) {
        failures.push(error as DeliveryError);
      }
    }
    throw failures.find(({ kind }) => kind === 'pausing') ?? failures.at(-1);
  }

  #link(broker: BrokerAddress): Promise<KafkaConnection> {
    const key = `${broker.host}:${broker.port}`;
    const present = this.#links.get(key);
    if (present && present.connection?.isUsable !== false) return present.opened;
    const link: Link = { opened: this.#connect(broker), connection: undefined };
    this.#links.set(key, link);
    present?.connection?.retire();
    const forget = () => {
      if (this.#links.get(key) === link) this.#links.delete(key);
    };
    link.opened.then((connection) => {
      link.connection = connection;
      connection.onClose(forget);
    }, forget);
    return link.opened;
  }

  async #connect(broker: BrokerAddress): Promise<KafkaConnection> {
    if (this.#closed) throw new DeliveryError('NETWORK', 'retriable', 'the agent is stopping');
    const { clientId, tls, sasl } = this.#options;
    try {
      const secrets = { tls: tls?.current, login: sasl?.current };
      return await KafkaConnection.open(broker, { clientId, ...secrets, requiredApis: NEEDS });
    } catch (error) {
      throw asDeliveryError(error);
    }
  }
}

async function call<Answer>(connection: KafkaConnection, request: KafkaRequest<Answer>): Promise<Answer> {
  try {
    return await connection.request(request);
  } catch (error) {
    throw asDeliveryError(error);
  }
}

function answerError(code: number, detail: string | null): DeliveryError {
  return kafkaResponseError(code, kafkaErrorName(code), detail);
}

function asDeliveryError(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { code, retryable } = error as KafkaConnectionError;
  const hint = code === 'AUTHENTICATION' ? ': check kafka.sasl' : '';
  return new DeliveryError(code, retryable ? 'retriable' : 'pausing', `${errorText(error)}${hint}`, { cause: error });
}

function parseBroker(address: string): BrokerAddress {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}
