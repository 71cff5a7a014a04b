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
/** When a controller goes, all its agents come to the others: spread over this time. */
const RETURN_SPREAD_MS = 5_000;
/** Changes of state gather this long before they are reported. */
const CHANGE_SETTLE_MS = 50;
const GOODBYE_TIMEOUT_MS = 2_000;
/** HTTP/2 pings, so that a controller that vanished without a word is noticed within 15 s. A busy one has 9 s to answer. */
const CHANNEL_OPTIONS = {
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 9_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  // Each attempt connects anew: a shared pool would keep a dead controller's connection, and its backoff beside ours.
  'grpc.use_local_subchannel_pool': 1,
  // A snapshot can't be split: many large entries pass the default of 4 MiB.
  'grpc.max_receive_message_length': -1,
};

const StreamDefinition = wholeMessages(AgentServiceDefinition);

export interface LinkOptions {
  addresses: readonly string[];
  tls: TlsMaterial | undefined;
  identity: AgentIdentity;
  reportIntervalMs: number;
}

export interface LinkTools {
  clock: Clock;
  logger: Logger;
  collector: Collector;
  desired: DesiredState;
  /** Where the desired state is kept for the next start. */
  cache: Pick<SnapshotCache, 'save'>;
  /** What controllers may ask. */
  answerers: RequestHandlers;
  /** What an operator has set; without it settings are not followed. */
  settings?: Pick<StoredSettings, 'etag' | 'apply'>;
}

/**
 * The agent's side of the stream: CONNECTING to one controller after the other with full jitter, CONNECTED while a stream lasts, then
 * again; LEAVING when the agent stops. The collector works on in every state.
 */
export class ControllerLink {
  readonly #options: LinkOptions;
  readonly #tools: LinkTools;
  readonly #instanceId = randomUUID();
  readonly #leaving = new AbortController();
  readonly #controllers: ControllerList;
  #changed = false;
  /** Ends the wait for the next message. */
  #wake: (() => void) | undefined;

  constructor(options: LinkOptions, tools: LinkTools) {
    this.#options = options;
    this.#controllers = new ControllerList(options.addresses);
    this.#tools = tools;
    tools.collector.onChange(() => {
      this.#changed = true;
      this.#wake?.();
    });
  }

  /** Keeps a stream to a controller until `leave`. */
  async run(): Promise<void> {
    const { clock, logger } = this.#tools;
    const backoff = createBackoff(RECONNECT);
    // The same reason again and again is told once.
    let told = '';
    while (!this.#leaving.signal.aborted) {
      const address = this.#controllers.next();
      let wasConnected = false;
      let isSent = false;
      try {
        isSent = await this.#converse(address, () => {
          wasConnected = true;
          told = '';
        });
      } catch (error) {
        const text = describe(error);
        if (!this.#leaving.signal.aborted && text !== told)
          logger.warn('no stream to the controller', { address, error: text });
        told = text;
      }
      if (isSent) continue;
      if (wasConnected) {
        backoff.reset();
        this.#controllers.preferAnother();
      } else this.#controllers.markUnreachable();
      const delayMs = wasConnected ? Math.random() * RETURN_SPREAD_MS : backoff.next();
      await clock.sleep(delayMs, this.#leaving.signal).catch(() => {});
    }
  }

  /** Makes a last report, says goodbye, and ends `run`. */
  leave(): void {
    this.#leaving.abort();
  }

  /** True when the controller has sent the agent to another one. */
  async #converse(address: string, onConnected: () => void): Promise<boolean> {
    const { clock, logger, desired, answerers, settings } = this.#tools;
    const channel = this.#connect(address);
    const stream = new AbortController();
    const answers = new ControllerRequests(answerers, { clock, logger, onReady: () => this.#wake?.() });
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
      const requests = this.#requests(answers, stream.signal);
      for await (const { message } of client.connect(requests, { signal: stream.signal })) {
        if (message?.$case === 'ask') answers.accept(message.value);
        if (message?.$case === 'cancel') answers.cancel(message.value.id);
        if (message?.$case === 'settings') await settings?.apply(message.value);
        if (message?.$case === 'controllers') {
          const { addresses, moveTo } = message.value;
          this.#controllers.learn(addresses, moveTo);
          if (moveTo === '' || moveTo === address) continue;
          logger.info('sent to another controller', { address, to: moveTo });
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
      answers.close();
      stream.abort();
      this.#wake?.();
      channel.close();
    }
  }

  async #apply(): Promise<void> {
    const { collector, desired, cache, logger } = this.#tools;
    try {
      collector.apply(desired.entries);
    } catch (error) {
      // The next Hello must not say that this state is in force.
      desired.forget();
      throw error;
    }
    try {
      await cache.save(desired.entries);
    } catch (error) {
      logger.error('the desired state could not be kept for the next start', { error: errorText(error) });
    }
  }

  async *#requests(answers: ControllerRequests, signal: AbortSignal): AsyncGenerator<ConnectRequest> {
    const { clock, collector } = this.#tools;
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
      yield* this.#untilNextReport(answers, dueMs, signal);
    }
    yield { message: { $case: 'goodbye', value: { reason: 'the agent is stopping' } } };
  }

  #hello(): Hello {
    const { desired, answerers, settings } = this.#tools;
    const capabilities = [...capabilitiesFor(answerers), ...(settings ? ['settings'] : [])];
    const holds = { appliedHash: desired.hash, appliedSettings: settings?.etag ?? '' };
    return Hello.create({ identity: this.#options.identity, instanceId: this.#instanceId, ...holds, capabilities });
  }

  /** Sends answers until a report is due, something has changed, or the end comes. */
  async *#untilNextReport(
    answers: ControllerRequests,
    dueMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<ConnectRequest> {
    const { clock } = this.#tools;
    for (let leftMs = dueMs - clock.monotonicMs(); leftMs > 0; leftMs = dueMs - clock.monotonicMs()) {
      const answer = answers.nextResponse();
      if (answer) yield { message: { $case: 'answer', value: answer } };
      if (this.#changed || this.#leaving.signal.aborted || signal.aborted) break;
      if (!answer) await this.#nextMessage(leftMs);
    }
    if (!this.#leaving.signal.aborted && this.#changed) await clock.sleep(CHANGE_SETTLE_MS);
  }

  /** Waits for an answer, for a change, or for the end; `ms` at most. By a timer: an abort would make errors that nobody reads. */
  async #nextMessage(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#tools.clock.after(ms, resolve);
    this.#wake = resolve;
    await promise;
    cancel();
  }

  #connect(address: string): Channel {
    if (!this.#options.tls) return createChannel(address, ChannelCredentials.createInsecure(), CHANNEL_OPTIONS);
    const { credentials, channel } = grpcTls(this.#options.tls);
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
