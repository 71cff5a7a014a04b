import { randomUUID } from 'node:crypto';
import { type Channel, ChannelCredentials, ClientError, createChannel, createClient, Status } from 'nice-grpc';
import { AgentServiceDefinition, type ConnectRequest, Hello } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, grpcDetails } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { grpcTls, type TlsMaterial } from '../../runtime/security.ts';
import { wholeMessages } from '../../runtime/whole-messages.ts';
import { ControllerRequests } from '../ask/controller-requests.ts';
import { capabilitiesFor, type RequestHandlers } from '../ask/request-handler.ts';
import type { Collector } from '../collect/collector.ts';
import { ControllerList } from './controller-list.ts';
import type { DesiredState } from './desired-state.ts';
import { ReportBuilder } from './report-builder.ts';
import type { SnapshotCache } from './snapshot-cache.ts';
import type { StoredSettings } from './stored-settings.ts';

const RECONNECT = { initialMs: 200, maxMs: 10_000 };
/** When a controller stops, its agents reconnect to the others, spread over this time. */
const RETURN_SPREAD_MS = 5_000;
/** State changes are collected for this long before they are reported. */
const CHANGE_SETTLE_MS = 50;
const GOODBYE_TIMEOUT_MS = 2_000;
/**
 * HTTP/2 pings detect within 15 s that a controller vanished. A busy controller has 9 s to answer.
 */
const CHANNEL_OPTIONS = {
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 9_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  // Each attempt opens a connection: a shared pool would keep a dead controller's connection, and
  // its own backoff.
  'grpc.use_local_subchannel_pool': 1,
  // A snapshot can't be split, and many large entries exceed the default of 4 MiB.
  'grpc.max_receive_message_length': -1,
};

const StreamDefinition = wholeMessages(AgentServiceDefinition);

export interface LinkOptions {
  addresses: readonly string[];
  /** Read for each new connection; without it there is no TLS. */
  tls?: { readonly current: TlsMaterial | undefined };
  identity: AgentIdentity;
  reportIntervalMs: number;
}

export interface LinkDependencies {
  clock: Clock;
  logger: Logger;
  collector: Collector;
  desired: DesiredState;
  /** Stores the desired state for the next start. */
  cache: Pick<SnapshotCache, 'save'>;
  /** Handle the controllers' requests. */
  handlers: RequestHandlers;
  /** Applies operators' settings. Without it, settings are ignored. */
  settings?: Pick<StoredSettings, 'etag' | 'apply'>;
}

/**
 * The agent's side of the stream to a controller.
 * - CONNECTING: it tries one controller after the other, with full jitter between attempts.
 * - CONNECTED: it applies the desired state, reports, and handles requests until the stream ends.
 * - LEAVING: the agent stops; a last report and a goodbye are sent.
 *
 * The collector works in every state.
 */
export class ControllerLink {
  readonly #options: LinkOptions;
  readonly #dependencies: LinkDependencies;
  readonly #instanceId = randomUUID();
  readonly #leaving = new AbortController();
  readonly #controllers: ControllerList;
  #changed = false;
  /** Ends the wait for the next message. */
  #wake: (() => void) | undefined;

  constructor(options: LinkOptions, dependencies: LinkDependencies) {
    this.#options = options;
    this.#controllers = new ControllerList(options.addresses);
    this.#dependencies = dependencies;
    dependencies.collector.onChange(() => {
      this.#changed = true;
      this.#wake?.();
    });
  }

  /** Keeps a stream to a controller until `leave`. */
  async run(): Promise<void> {
    const { clock, logger } = this.#dependencies;
    const backoff = createBackoff(RECONNECT);
    // An error that repeats is logged once.
    let logged = '';
    while (!this.#leaving.signal.aborted) {
      const address = this.#controllers.next();
      let wasConnected = false;
      let wasRedirected = false;
      try {
        wasRedirected = await this.#runStream(address, () => {
          wasConnected = true;
          logged = '';
        });
      } catch (error) {
        const text = describe(error);
        if (!this.#leaving.signal.aborted && text !== logged)
          logger.warn('no stream to the controller', { address, error: text });
        logged = text;
      }
      if (wasRedirected) continue;
      if (wasConnected) {
        backoff.reset();
        this.#controllers.preferAnother();
      } else this.#controllers.markUnreachable();
      const delayMs = wasConnected ? Math.random() * RETURN_SPREAD_MS : backoff.next();
      await clock.sleep(delayMs, this.#leaving.signal).catch(() => {});
    }
  }

  /** Sends a last report and a goodbye, and ends `run`. */
  leave(): void {
    this.#leaving.abort();
  }

  /**
   * Runs one stream until it ends. Returns true if the controller sent the agent to another one.
   */
  async #runStream(address: string, onConnected: () => void): Promise<boolean> {
    const { clock, logger, desired, handlers, settings } = this.#dependencies;
    const channel = this.#connect(address);
    const stream = new AbortController();
    const requests = new ControllerRequests(handlers, { clock, logger, onReady: () => this.#wake?.() });
    const giveUp = () => {
      this.#wake?.();
      void clock.sleep(GOODBYE_TIMEOUT_MS, stream.signal).then(
        () => stream.abort(),
        () => {},
      );
    };
    this.#leaving.signal.addEventListener('abort', giveUp, { once: true });
    try {
      const client = createClient(StreamDefinition, channel);
      const messages = this.#messages(requests, stream.signal);
      for await (const { message } of client.connect(messages, { signal: stream.signal })) {
        if (message?.$case === 'ask') requests.accept(message.value);
        if (message?.$case === 'cancel') requests.cancel(message.value.id);
        if (message?.$case === 'settings') await settings?.apply(message.value);
        if (message?.$case === 'controllers') {
          const { addresses, moveTo } = message.value;
          this.#controllers.learn(addresses, moveTo);
          if (moveTo === '' || moveTo === address) continue;
          logger.info('the controller sent the agent to another one', { address, to: moveTo });
          return true;
        }
        if (message?.$case !== 'desired') continue;
        const changed = desired.accept(message.value);
        onConnected();
        if (message.value.kind !== 'KIND_DELTA') logger.info('connected to the controller', { address });
        if (changed) await this.#apply();
      }
      return false;
    } finally {
      this.#leaving.signal.removeEventListener('abort', giveUp);
      requests.close();
      stream.abort();
      this.#wake?.();
      channel.close();
    }
  }

  async #apply(): Promise<void> {
    const { collector, desired, cache, logger } = this.#dependencies;
    try {
      collector.apply(desired.entries);
    } catch (error) {
      // The next Hello must not report this state as applied.
      desired.forget();
      throw error;
    }
    try {
      await cache.save(desired.entries);
    } catch (error) {
      logger.error('cannot store the desired state for the next start', { error: errorText(error) });
    }
  }

  /** What the agent sends: a Hello, then reports and responses until the end. */
  async *#messages(requests: ControllerRequests, signal: AbortSignal): AsyncGenerator<ConnectRequest> {
    const { clock, collector } = this.#dependencies;
    yield { message: { $case: 'hello', value: this.#hello() } };
    const reports = new ReportBuilder();
    for (let dueMs = clock.monotonicMs(); ; ) {
      const last = this.#leaving.signal.aborted;
      const isDue = last || clock.monotonicMs() >= dueMs;
      if (isDue) dueMs = clock.monotonicMs() + this.#options.reportIntervalMs;
      this.#changed = false;
      for (const report of reports.build(collector.report(), new Date(clock.nowMs()), isDue)) {
        yield { message: { $case: 'report', value: report } };
      }
      if (last || signal.aborted) break;
      yield* this.#responsesUntilReport(requests, dueMs, signal);
    }
    yield { message: { $case: 'goodbye', value: { reason: 'the agent is stopping' } } };
  }

  #hello(): Hello {
    const { desired, handlers, settings } = this.#dependencies;
    const capabilities = [...capabilitiesFor(handlers), ...(settings ? ['settings'] : [])];
    const holds = { appliedHash: desired.hash, appliedSettings: settings?.etag ?? '' };
    return Hello.create({ identity: this.#options.identity, instanceId: this.#instanceId, ...holds, capabilities });
  }

  /** Sends responses until a report is due, a state changed, or the stream ends. */
  async *#responsesUntilReport(
    requests: ControllerRequests,
    dueMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<ConnectRequest> {
    const { clock } = this.#dependencies;
    for (let leftMs = dueMs - clock.monotonicMs(); leftMs > 0; leftMs = dueMs - clock.monotonicMs()) {
      const response = requests.nextResponse();
      if (response) yield { message: { $case: 'answer', value: response } };
      if (this.#changed || this.#leaving.signal.aborted || signal.aborted) break;
      if (!response) await this.#waitForMessage(leftMs);
    }
    if (!this.#leaving.signal.aborted && this.#changed) await clock.sleep(CHANGE_SETTLE_MS);
  }

  /**
   * Waits at most `ms` for a response, a change or the end. A timer costs less than an aborted
   * sleep.
   */
  async #waitForMessage(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#dependencies.clock.after(ms, resolve);
    this.#wake = resolve;
    await promise;
    cancel();
  }

  #connect(address: string): Channel {
    const tls = this.#options.tls?.current;
    if (!tls) return createChannel(address, ChannelCredentials.createInsecure(), CHANNEL_OPTIONS);
    const { credentials, channel } = grpcTls(tls);
    return createChannel(address, ChannelCredentials.createSsl(...credentials), { ...CHANNEL_OPTIONS, ...channel });
  }
}

function describe(error: unknown): string {
  if (!(error instanceof ClientError)) return errorText(error);
  if (error.code === Status.ALREADY_EXISTS) {
    return `${error.details}; give each agent an --id of its own, or stop the other one`;
  }
  return `${Status[error.code]}: ${grpcDetails(error.details)}`;
}
