import { isDeepStrictEqual } from 'node:util';
import { Admin, type BaseOptions } from '@platformatic/kafka';
import { TopicStatus } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Login, TlsMaterial } from '../../runtime/security.ts';

const CHECK_INTERVAL_MS = 30_000;
const RETRY_INTERVAL_MS = 1_000;
const TOPIC_ALREADY_EXISTS = 36;
const KEEP_ALL = [
  { name: 'cleanup.policy', value: 'delete' },
  { name: 'retention.ms', value: '-1' },
];

export interface TopicSettings {
  brokers: readonly string[];
  tls: { readonly current: TlsMaterial | undefined };
  sasl: { readonly current: Login | undefined };
  partitions: number;
  replicationFactor: number;
  /**
   * The topic whose records are neither compacted nor expire, whatever the brokers' defaults are.
   * These apply to all others.
   */
  unlimitedRetention: string;
}

/**
 * Creates missing topics of entries, and keeps the status of each. Every controller does so: Kafka
 * creates a topic once, however many request it.
 */
export class KafkaTopics {
  readonly #settings: TopicSettings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<(topic: string) => void>();
  readonly #statuses = new Map<string, TopicStatus>();
  #connected: { admin: Admin; tls: TlsMaterial | undefined; sasl: Login | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(settings: TopicSettings, tools: { clock: Clock; logger: Logger }) {
    this.#settings = settings;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  status(topic: string): TopicStatus {
    const message =
      this.#settings.brokers.length === 0
        ? 'kafka.brokers is not configured at the controller: create the topic yourself'
        : 'not checked yet';
    return this.#statuses.get(topic) ?? TopicStatus.create({ state: 'STATE_PENDING', message });
  }

  /**
   * Calls `listener` with each topic whose status has changed. Returns a function that removes it.
   */
  onChange(listener: (topic: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Checks the topics now instead of at the next interval. */
  check(): void {
    this.#wake?.();
  }

  /**
   * Checks the `wanted` topics every 30 s and creates missing ones, until `signal` is aborted. A
   * hanging Kafka does not delay the end.
   */
  async run(wanted: () => Iterable<string>, signal: AbortSignal): Promise<void> {
    if (this.#settings.brokers.length === 0) return;
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    while (!signal.aborted) {
      const wait = new AbortController();
      const endWait = () => wait.abort();
      this.#wake = endWait;
      signal.addEventListener('abort', endWait);
      const isReachable = await Promise.race([this.#checkAll(new Set(wanted())), ended]);
      await this.#clock.sleep(isReachable ? CHECK_INTERVAL_MS : RETRY_INTERVAL_MS, wait.signal).catch(() => {});
      signal.removeEventListener('abort', endWait);
    }
    // Open requests are rejected, which nobody waits for any more.
    void this.#connected?.admin.close().catch(() => {});
  }

  /** Resolves with false when Kafka cannot be reached. */
  async #checkAll(topics: ReadonlySet<string>): Promise<boolean> {
    if (topics.size === 0) return true;
    try {
      const admin = this.#connect();
      const present = new Set(await admin.listTopics({ includeInternals: false }));
      for (const topic of topics) {
        if (!present.has(topic)) await this.#create(admin, topic);
        else await this.#describe(admin, topic);
      }
      return true;
    } catch (error) {
      const message = `Kafka can't be reached: ${errorText(error)}`;
      for (const topic of topics) {
        const known = this.#statuses.get(topic)?.state === 'STATE_READY';
        if (!known) this.#set(topic, { state: 'STATE_PENDING', message, partitions: 0 });
      }
      return false;
    }
  }

  async #describe(admin: Admin, topic: string): Promise<void> {
    try {
      const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
      const partitions = topics.get(topic)?.partitionsCount ?? 0;
      this.#set(topic, { state: 'STATE_READY', message: '', partitions });
    } catch (error) {
      const response = kafkaError(error);
      if (response === undefined) throw error;
      this.#set(topic, {
        state: 'STATE_PENDING',
        message: `Kafka reports for ${topic}: ${response.text}`,
        partitions: 0,
      });
    }
  }

  async #create(admin: Admin, topic: string): Promise<void> {
    const { partitions, replicationFactor: replicas } = this.#settings;
    try {
      const configs = topic === this.#settings.unlimitedRetention ? KEEP_ALL : [];
      await admin.createTopics({ topics: [topic], partitions, replicas, configs });
      this.#logger.info('topic created', { topic, partitions, replicas });
      this.#set(topic, { state: 'STATE_READY', message: '', partitions });
    } catch (error) {
      const response = kafkaError(error);
      if (response === undefined) throw error;
      if (response.code === TOPIC_ALREADY_EXISTS) await this.#describe(admin, topic);
      else
        this.#set(topic, {
          state: 'STATE_REFUSED',
          message: `Kafka refused to create ${topic}: ${response.text}`,
          partitions: 0,
        });
    }
  }

  #set(topic: string, status: TopicStatus): void {
    const previous = this.#statuses.get(topic);
    this.#statuses.set(topic, status);
    if (isDeepStrictEqual(previous, status)) return;
    if (status.state === 'STATE_REFUSED') this.#logger.error('topic missing', { topic, error: status.message });
    for (const listener of [...this.#listeners]) listener(topic);
  }

  /** The last admin client, or a new one if the certificates or the password have changed. */
  #connect(): Admin {
    const { brokers } = this.#settings;
    const tls = this.#settings.tls.current;
    const sasl = this.#settings.sasl.current;
    const last = this.#connected;
    if (last && last.tls === tls && last.sasl === sasl) return last.admin;
    void last?.admin.close().catch(() => {});
    const options: BaseOptions = {
      clientId: 'logfleet-controller',
      bootstrapBrokers: [...brokers],
      retries: 1,
      retryDelay: 200,
      ...(tls && { tls }),
      ...(sasl && { sasl }),
    };
    const admin = new Admin(options);
    this.#connected = { admin, tls, sasl };
    return admin;
  }
}

/** Kafka's error in a response; undefined for an error of the network. */
function kafkaError(error: unknown): { code: number; text: string } | undefined {
  for (let at: unknown = error; at; at = (at as Error).cause) {
    const { errors, apiCode, apiId, serverErrorMessage } = at as {
      errors?: unknown[];
      apiCode?: number;
      apiId?: string;
      serverErrorMessage?: string;
    };
    if (typeof apiCode === 'number')
      return { code: apiCode, text: `${apiId} (${apiCode}) ${serverErrorMessage ?? ''}`.trim() };
    const inner = errors?.map(kafkaError).find((found) => found !== undefined);
    if (inner) return inner;
  }
  return undefined;
}
