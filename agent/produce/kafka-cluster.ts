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
import type { TopicIncarnation } from './topic-incarnation.ts';

export interface ClusterOptions {
  clientId: string;
  /** The first brokers to connect to, `host:port`. */
  brokers: readonly string[];
  /** Read for each new connection. */
  tls?: { readonly current: TlsMaterial | undefined };
  /** Read for each new connection. */
  sasl?: { readonly current: Login | undefined };
  /** Let brokers create missing topics, which they do if `auto.create.topics.enable` is set. */
  createTopics: boolean;
  /** How old a topic's metadata may become. Default: 5 minutes, as in Kafka's own clients. */
  metadataAgeMsMax?: number;
}

/** How long a broker may wait for the in-sync replicas before it returns REQUEST_TIMED_OUT. */
const PRODUCE_TIMEOUT_MS = 20_000;
/** Requests for metadata within this time share one response: fifty routes cost one request. */
const METADATA_FRESH_MS = 200;
const METADATA_AGE_MS_MAX = 300_000;
const FETCH_BYTES_MAX = 2 * 1024 * 1024;

const REQUIRED_APIS = [
  apis.produce,
  apis.fetch,
  apis.listOffsets,
  apis.metadata,
  apis.initProducerId,
  apis.describeProducers,
];

/** The connection to one broker. */
interface BrokerLink {
  opening: Promise<KafkaConnection>;
  /** undefined until it is open. */
  connection: KafkaConnection | undefined;
}

/**
 * The agent's client of one Kafka cluster: connections by broker, partitions and leaders by topic,
 * and the few requests that the agent sends. It does not retry. Every method rejects with
 * DeliveryError.
 */
export class KafkaCluster {
  readonly #options: ClusterOptions;
  readonly #links = new Map<string, BrokerLink>();
  readonly #topics = new Map<string, TopicMetadata & { atMs: number }>();
  readonly #refreshes = new Map<string, { atMs: number; done: Promise<void> }>();
  #brokers = new Map<number, BrokerAddress>();
  #clusterId = '';
  #isClosed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** How many partitions `topic` has. It may get more, or be deleted and created again. */
  async partitionCount(topic: string): Promise<number> {
    const { metadataAgeMsMax = METADATA_AGE_MS_MAX } = this.#options;
    const learntMs = this.#topics.get(topic)?.atMs ?? Number.NEGATIVE_INFINITY;
    if (systemClock.monotonicMs() - learntMs > metadataAgeMsMax) await this.refresh(topic);
    const view = this.#topics.get(topic);
    if (view?.errorCode !== 0) {
      this.#topics.delete(topic);
      throw responseError(view?.errorCode ?? UNKNOWN_TOPIC_OR_PARTITION, `topic ${topic}`);
    }
    return view.leaders.length;
  }

  /** Fetches the partitions of `topic` and their leaders again. */
  refresh(topic: string): Promise<void> {
    const last = this.#refreshes.get(topic);
    if (last && systemClock.monotonicMs() - last.atMs < METADATA_FRESH_MS) return last.done;
    const done = this.#fetchMetadata(topic);
    this.#refreshes.set(topic, { atMs: systemClock.monotonicMs(), done });
    return done;
  }

  /** Acquires a producer id. Its sequences start at 0 on every partition. */
  async initProducer(): Promise<ProducerIdentity> {
    const response = await send(await this.#anyBroker(), initProducerId());
    if (response.errorCode !== 0) throw responseError(response.errorCode, null);
    return { id: response.id, epoch: response.epoch };
  }

  /**
   * Appends one encoded batch. The result may have an error code of Kafka's. Rejects if it is
   * unknown whether the batch was appended.
   */
  async produce(topic: string, partition: number, batch: RecordBatch): Promise<ProduceResult> {
    const target = { topic, partition, timeoutMs: PRODUCE_TIMEOUT_MS };
    const leader = await this.#leader(topic, partition);
    return send(leader, produce(target, [batch.header, ...batch.records]));
  }

  /**
   * The last sequence that the partition's leader has of `producer` (KIP-664); undefined if it does
   * not know the id.
   */
  async lastSequence(topic: string, partition: number, producer: ProducerIdentity): Promise<number | undefined> {
    const response = await send(await this.#leader(topic, partition), describeProducers(topic, partition));
    if (response.errorCode !== 0) throw responseError(response.errorCode, response.errorMessage);
    const known = response.producers.find(({ id, epoch }) => id === producer.id && epoch === producer.epoch);
    return known?.lastSequence;
  }

  /** The cluster and the topic's id, as last fetched. Rejects while the topic does not exist. */
  async topicIncarnation(topic: string): Promise<TopicIncarnation> {
    if (!this.#topics.has(topic)) await this.refresh(topic);
    const view = this.#topics.get(topic);
    // With an error the topic id is another one, or missing, and says nothing about the topic.
    if (view?.errorCode !== 0) throw responseError(view?.errorCode ?? UNKNOWN_TOPIC_OR_PARTITION, `topic ${topic}`);
    return { clusterId: this.#clusterId, topicId: view.id };
  }

  /** The first offset that a partition still has, and the offset of its next record. */
  async offsets(at: Partition): Promise<{ earliest: bigint; next: bigint }> {
    const leader = await this.#leader(at.topic, at.partition);
    const [earliest, next] = [
      await send(leader, listOffsets(at, EARLIEST)),
      await send(leader, listOffsets(at, LATEST)),
    ];
    const errorCode = earliest.errorCode || next.errorCode;
    if (errorCode !== 0) throw responseError(errorCode, null);
    return { earliest: earliest.offset, next: next.offset };
  }

  /** Reads record batches from `offset` on, as they are in the log. */
  async fetch(at: Partition, offset: bigint): Promise<FetchResult> {
    const response = await send(await this.#leader(at.topic, at.partition), fetch(at, offset, FETCH_BYTES_MAX));
    if (response.errorCode !== 0) throw responseError(response.errorCode, null);
    return response;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const links = await Promise.allSettled([...this.#links.values()].map(({ opening }) => opening));
    this.#links.clear();
    for (const link of links) if (link.status === 'fulfilled') link.value.close();
  }

  async #fetchMetadata(topic: string): Promise<void> {
    const response: ClusterMetadata = await send(
      await this.#anyBroker(),
      metadata([topic], this.#options.createTopics),
    );
    this.#brokers = response.brokers;
    this.#clusterId = response.clusterId;
    const found = response.topics.get(topic);
    if (found) this.#topics.set(topic, { ...found, atMs: systemClock.monotonicMs() });
  }

  async #leader(topic: string, partition: number): Promise<KafkaConnection> {
    if (!this.#topics.has(topic)) await this.refresh(topic);
    const view = this.#topics.get(topic);
    if (view?.errorCode !== 0 || partition >= view.leaders.length) {
      throw responseError(view?.errorCode || UNKNOWN_TOPIC_OR_PARTITION, `partition ${partition} of topic ${topic}`);
    }
    const broker = this.#brokers.get(view.leaders[partition] ?? -1);
    if (!broker)
      throw new DeliveryError('KAFKA', 'retriable', `partition ${partition} of topic ${topic} has no leader now`);
    return this.#link(broker);
  }

  /**
   * A connection to the first reachable broker: known ones are tried first, then configured ones.
   */
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
    if (present && present.connection?.isUsable !== false) return present.opening;
    const link: BrokerLink = { opening: this.#connect(broker), connection: undefined };
    this.#links.set(key, link);
    present?.connection?.retire();
    const forget = () => {
      if (this.#links.get(key) === link) this.#links.delete(key);
    };
    link.opening.then((connection) => {
      link.connection = connection;
      connection.onClose(forget);
    }, forget);
    return link.opening;
  }

  async #connect(broker: BrokerAddress): Promise<KafkaConnection> {
    if (this.#isClosed) throw new DeliveryError('NETWORK', 'retriable', 'the agent is stopping');
    const { clientId, tls, sasl } = this.#options;
    try {
      const secrets = { tls: tls?.current, login: sasl?.current };
      return await KafkaConnection.open(broker, { clientId, ...secrets, requiredApis: REQUIRED_APIS });
    } catch (error) {
      throw fromConnectionError(error);
    }
  }
}

async function send<Response>(connection: KafkaConnection, request: KafkaRequest<Response>): Promise<Response> {
  try {
    return await connection.request(request);
  } catch (error) {
    throw fromConnectionError(error);
  }
}

function responseError(code: number, detail: string | null): DeliveryError {
  return kafkaResponseError(code, kafkaErrorName(code), detail);
}

/** Converts a KafkaConnectionError. */
function fromConnectionError(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { code, retryable } = error as KafkaConnectionError;
  const remedy = code === 'AUTHENTICATION' ? ': check kafka.sasl' : '';
  return new DeliveryError(code, retryable ? 'retriable' : 'pausing', `${errorText(error)}${remedy}`, { cause: error });
}

function parseBroker(address: string): BrokerAddress {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}
