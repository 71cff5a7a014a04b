import { randomUUID } from 'node:crypto';
import { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../api-error.ts';
import type { EtcdClient, EtcdLease } from '../etcd-client.ts';
import type { EtcdMirror } from '../etcd-mirror.ts';
import { StoreError } from '../store-error.ts';

/** Who is where, as all controllers see it: keys under the lease of the controller that wrote them. */
export interface Presence {
  instance_id: string;
  controller: string;
  host: string;
  connect_time: string;
  /** Tells one stream of a process from its next one. */
  stream: string;
}

/** What is kept of an agent for good. */
export interface AgentRecord {
  identity: AgentIdentity;
  controller: string;
  connect_time: string;
  last_seen_time: string;
  /** It said goodbye. */
  stopped: boolean;
}

export interface MembershipOptions {
  controllerId: string;
  prefix: string;
  leaseTtlMs: number;
}

const RENEW_RETRY = { initialMs: 100, maxMs: 2_000 };

/**
 * This controller's keys in etcd: itself below `controllers/`, its agents below `presence/`, both under one lease; and the agents' records
 * below `agents/`, which stay. A lease that is lost is granted again and the keys are written again; streams do not notice.
 */
export class Membership {
  readonly #client: EtcdClient;
  readonly #mirror: EtcdMirror;
  readonly #options: MembershipOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #held = new Map<string, string>();
  #lease: EtcdLease | undefined;
  #address = '';

  constructor(
    client: EtcdClient,
    mirror: EtcdMirror,
    options: MembershipOptions,
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#mirror = mirror;
    this.#options = options;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  get controllerId(): string {
    return this.#options.controllerId;
  }

  /** Whether this controller is known to the others. */
  get joined(): boolean {
    return this.#lease !== undefined;
  }

  /** Keeps the lease until `signal` is aborted, then gives it up: the others see at once. */
  async run(address: string, signal: AbortSignal): Promise<void> {
    this.#address = address;
    const backoff = createBackoff(RENEW_RETRY);
    while (!signal.aborted) {
      try {
        if (this.#lease) await this.#lease.keepAlive();
        else await this.#join();
        backoff.reset();
        await this.#clock.sleep(this.#options.leaseTtlMs / 4, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof StoreError && error.code === 'REFUSED') this.#lease = undefined;
        this.#logger.warn('the lease in etcd is at risk', { error: errorText(error) });
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
    await this.#lease
      ?.revoke()
      .catch((error: unknown) => this.#logger.warn('the lease runs out by itself', { error: errorText(error) }));
  }

  /**
   * Claims an agent's id for one stream. Rejects with ALREADY_EXISTS when another process has it, here or at another controller;
   * the same process connecting again takes it over. Returns what `release` wants.
   */
  async claim(agentId: string, presence: Omit<Presence, 'controller' | 'stream'>): Promise<string> {
    const lease = this.#lease;
    if (!lease) throw new ApiError('UNAVAILABLE', 'the controller is not connected to etcd: try again');
    const key = this.#presenceKey(agentId);
    const value = JSON.stringify({
      ...presence,
      controller: this.controllerId,
      stream: randomUUID(),
    } satisfies Presence);
    const outcome = await this.#client.create(key, value, lease.id);
    if ('present' in outcome) {
      const other = JSON.parse(outcome.present.value) as Presence;
      if (other.instance_id !== presence.instance_id) {
        const who = `on host ${other.host}, connected to controller ${other.controller} since ${other.connect_time}`;
        throw new ApiError('ALREADY_EXISTS', `an agent with the id ${agentId} is connected already, ${who}`);
      }
      const taken = await this.#client.replace(key, value, outcome.present.revision, lease.id);
      if (taken === undefined) throw new ApiError('UNAVAILABLE', `the id ${agentId} has just changed hands: try again`);
    }
    this.#held.set(agentId, value);
    return value;
  }

  /** Gives an agent's id back, if it still is this stream's: `claimed` is what `claim` returned for it. */
  async release(agentId: string, claimed: string): Promise<void> {
    if (this.#held.get(agentId) === claimed) this.#held.delete(agentId);
    const stored = await this.#client.get(this.#presenceKey(agentId));
    if (stored?.value === claimed) await this.#client.remove(stored.key, stored.revision);
  }

  /** Keeps what is known of an agent. */
  async record(record: Omit<AgentRecord, 'controller'>): Promise<void> {
    const identity = AgentIdentity.toJSON(record.identity);
    const value = JSON.stringify({ ...record, identity, controller: this.controllerId }, undefined, 2);
    await this.#client.put(this.#agentKey(record.identity.agentId), value);
  }

  /** Where an agent is connected; undefined when it is not. */
  presence(agentId: string): Presence | undefined {
    const stored = this.#mirror.get(this.#presenceKey(agentId));
    return stored && (JSON.parse(stored.value) as Presence);
  }

  /** Every agent ever seen. */
  *records(): Generator<AgentRecord> {
    for (const { value } of this.#mirror.below(`${this.#options.prefix}agents/`)) yield parseRecord(value);
  }

  recordOf(agentId: string): AgentRecord | undefined {
    const stored = this.#mirror.get(this.#agentKey(agentId));
    return stored && parseRecord(stored.value);
  }

  /** The other controllers that are alive: address by id. */
  peers(): Map<string, string> {
    const prefix = `${this.#options.prefix}controllers/`;
    const peers = new Map<string, string>();
    for (const { key, value } of this.#mirror.below(prefix)) {
      const id = key.slice(prefix.length);
      if (id !== this.controllerId) peers.set(id, (JSON.parse(value) as { address: string }).address);
    }
    return peers;
  }

  /** Calls `listener` with an agent's id when its presence or its record changed. */
  onChange(listener: (agentId: string) => void): () => void {
    const prefixes = [this.#presenceKey(''), this.#agentKey('')];
    return this.#mirror.onChange(({ key }) => {
      const prefix = prefixes.find((candidate) => key.startsWith(candidate));
      if (prefix !== undefined) listener(key.slice(prefix.length));
    });
  }

  async #join(): Promise<void> {
    const lease = await this.#client.grantLease(Math.max(2, Math.round(this.#options.leaseTtlMs / 1000)));
    await this.#client.put(
      `${this.#options.prefix}controllers/${this.controllerId}`,
      JSON.stringify({ address: this.#address }),
      lease.id,
    );
    for (const [agentId, value] of this.#held) {
      const key = this.#presenceKey(agentId);
      const outcome = await this.#client.create(key, value, lease.id);
      if (!('present' in outcome)) continue;
      if (outcome.present.value === value) await this.#client.replace(key, value, outcome.present.revision, lease.id);
      // While the lease was lost the agent has gone to another controller, or another process has its id: the stream here is dead.
      else this.#held.delete(agentId);
    }
    this.#lease = lease;
  }

  #presenceKey(agentId: string): string {
    return `${this.#options.prefix}presence/${agentId}`;
  }

  #agentKey(agentId: string): string {
    return `${this.#options.prefix}agents/${agentId}`;
  }
}

function parseRecord(value: string): AgentRecord {
  const record = JSON.parse(value) as AgentRecord;
  return { ...record, identity: AgentIdentity.fromJSON(record.identity) };
}
