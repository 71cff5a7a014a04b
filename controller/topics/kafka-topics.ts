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

export interface TopicSettings {
  brokers: readonly string[];
  tls: { readonly current: TlsMaterial | undefined };
  sasl: { readonly current: Login | undefined };
  partitions: number;
  replicationFactor: number;
  /** A topic whose records must not expire; the others are as the brokers' defaults say. */
  keptForEver: string;
}

/** Sees to it that the entries' topics exist, and knows how they are. Every controller does; Kafka makes each topic once. */
export class KafkaTopics {
  readonly #settings: TopicSettings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onChange: (topic: string) => void;
  readonly #statuses = new Map<string, TopicStatus>();
  #connected: { admin: Admin; tls: TlsMaterial | undefined; sasl: Login | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(settings: TopicSettings, tools: { clock: Clock; logger: Logger; onChange: (topic: string) => void }) {
    this.#settings = settings;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#onChange = tools.onChange;
  }

  status(topic: string): TopicStatus {
    const message =
      this.#settings.brokers.length === 0
        ? 'the controller has no kafka.brokers: create the topic yourself'
        : 'not looked at yet';
    return this.#statuses.get(topic) ?? TopicStatus.create({ state: 'STATE_PENDING', message });
  }

  /** Looks at the topics at once instead of at the next turn. */
  check(): void {
    this.#wake?.();
  }

  /** Looks at all that `wanted` tells, now and every 30 s, and creates what is missing. A Kafka that hangs does not hold up the end. */
  async run(wanted: () => Iterable<string>, signal: AbortSignal): Promise<void> {
    if (this.#settings.brokers.length === 0) return;
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    while (!signal.aborted) {
      const turn = new AbortController();
      const end = () => turn.abort();
      this.#wake = end;
      signal.addEventListener('abort', end);
      const well = await Promise.race([this.#checkAll(new Set(wanted())), ended]);
      await this.#clock.sleep(well ? CHECK_INTERVAL_MS : RETRY_INTERVAL_MS, turn.signal).catch(() => {});
      signal.removeEventListener('abort', end);
    }
    // What it says of requests that have no answer yet is of no interest any more.
    void this.#connected?.admin.close().catch(() => {});
  }

  /** Whether Kafka answered. */
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
      const answer = kafkaAnswer(error);
      if (answer === undefined) throw error;
      this.#set(topic, { state: 'STATE_PENDING', message: `Kafka says of ${topic}: ${answer.text}`, partitions: 0 });
    }
  }

  async #create(admin: Admin, topic: string): Promise<void> {
    const { partitions, replicationFactor: replicas } = this.#settings;
    try {
      const configs = topic === this.#settings.keptForEver ? [{ name: 'retention.ms', value: '-1' }] : [];
      await admin.createTopics({ topics: [topic], partitions, replicas, configs });
      this.#logger.info('created a topic', { topic, partitions, replicas });
      this.#set(topic, { state: 'STATE_READY', message: '', partitions });
    } catch (error) {
      const answer = kafkaAnswer(error);
      if (answer === undefined) throw error;
      if (answer.code === TOPIC_ALREADY_EXISTS) await this.#describe(admin, topic);
      else
        this.#set(topic, {
          state: 'STATE_REFUSED',
          message: `Kafka refuses to create ${topic}: ${answer.text}`,
          partitions: 0,
        });
    }
  }

  #set(topic: string, status: TopicStatus): void {
    const former = this.#statuses.get(topic);
    this.#statuses.set(topic, status);
    if (isDeepStrictEqual(former, status)) return;
    if (status.state === 'STATE_REFUSED') this.#logger.error('a topic is missing', { topic, error: status.message });
    this.#onChange(topic);
  }

  /** The admin of the last call, or a new one when certificates or the password have changed. */
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

/** What Kafka said, when the error is an answer of Kafka's and not a matter of the network. */
function kafkaAnswer(error: unknown): { code: number; text: string } | undefined {
  for (let at: unknown = error; at; at = (at as Error).cause) {
    const { errors, apiCode, apiId, serverErrorMessage } = at as {
      errors?: unknown[];
      apiCode?: number;
      apiId?: string;
      serverErrorMessage?: string;
    };
    if (typeof apiCode === 'number')
      return { code: apiCode, text: `${apiId} (${apiCode}) ${serverErrorMessage ?? ''}`.trim() };
    const inner = errors?.map(kafkaAnswer).find((answer) => answer !== undefined);
    if (inner) return inner;
  }
  return undefined;
}
