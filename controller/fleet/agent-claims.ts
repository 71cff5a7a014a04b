import { randomUUID } from 'node:crypto';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../api-error.ts';
import type { EtcdClient, EtcdLease } from '../etcd-client.ts';
import { StoreError } from '../store-error.ts';

/** Who holds an agent's id: a key under the lease of the controller that wrote it. */
export interface Presence {
  instance_id: string;
  controller: string;
  host: string;
  connect_time: string;
  /** Tells one stream of a process from its next one. */
  stream: string;
}

/** An agent's id, held by one stream. */
export interface Claim {
  agentId: string;
  /** The key's value: no other claim has it. */
  value: string;
  /** When it was written: a view that has reached it is no older than the stream. */
  revision: bigint;
}

export interface ClaimOptions {
  controllerId: string;
  /** The key of an agent's presence, and of its record. */
  presenceKey(agentId: string): string;
  recordKey(agentId: string): string;
}

/** Claims that are written side by side when a lease was lost. */
const RESTORE_AT_ONCE = 32;

/** The claims of the agents that are connected to this controller: at most one stream in the fleet has an agent's id. */
export class AgentClaims {
  readonly #client: EtcdClient;
  readonly #options: ClaimOptions;
  readonly #logger: Logger;
  /** The claim of each agent that is connected here. */
  readonly #held = new Map<string, string>();
  /** How many streams are about to claim an id. */
  readonly #claiming = new Map<string, number>();
  /** Agents whose claims are to be written again, under another lease. */
  readonly #unwritten = new Set<string>();
  /** Claims that have ended and are still in etcd, for all we know; and the record to leave in their place. */
  readonly #ended = new Map<string, { agentId: string; record: string | undefined }>();
  #lease: EtcdLease | undefined;
  #restoring = false;
  #onTaken: (agentId: string, claimed: string) => void = () => {};

  constructor(client: EtcdClient, options: ClaimOptions, logger: Logger) {
    this.#client = client;
    this.#options = options;
    this.#logger = logger;
  }

  /** Calls `listener` when a claim went to another stream while the lease was lost: the stream here is dead, or must end. */
  onTaken(listener: (agentId: string, claimed: string) => void): void {
    this.#onTaken = listener;
  }

  /** The lease under which claims live from now on; undefined when there is none. */
  under(lease: EtcdLease | undefined): void {
    this.#lease = lease;
    if (lease) for (const agentId of this.#held.keys()) this.#unwritten.add(agentId);
  }

  /**
   * Claims an agent's id for one stream. Rejects with ALREADY_EXISTS when another process has it, here or at another controller;
   * the same process connecting again takes it over. Rejects with UNAVAILABLE when etcd does not say.
   */
  async claim(agentId: string, presence: Omit<Presence, 'controller' | 'stream'>): Promise<Claim> {
    const lease = this.#lease;
    if (!lease) throw new ApiError('UNAVAILABLE', 'the controller is not connected to etcd: try again');
    const whole: Presence = { ...presence, controller: this.#options.controllerId, stream: randomUUID() };
    const value = JSON.stringify(whole);
    this.#countClaiming(agentId, 1);
    try {
      const revision = await this.#write(agentId, whole, value, lease);
      this.#held.set(agentId, value);
      if (this.#lease !== lease) this.#unwritten.add(agentId);
      return { agentId, value, revision };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // A write without an answer may have been made.
      this.#ended.set(value, { agentId, record: undefined });
      throw new ApiError('UNAVAILABLE', `the id ${agentId} can't be claimed now, try again: ${errorText(error)}`);
    } finally {
      this.#countClaiming(agentId, -1);
    }
  }

  /** Ends a claim and leaves `record` in its place, unless another stream has the id by now. Never rejects: tries until it is done. */
  async release({ agentId, value }: Claim, record?: string): Promise<void> {
    if (this.#held.get(agentId) === value) this.#held.delete(agentId);
    this.#ended.set(value, { agentId, record });
    try {
      await this.#bury();
    } catch (error) {
      this.#logger.warn('the end of a stream is not written yet', { agent: agentId, error: errorText(error) });
    }
  }

  /** Does what could not be done before: to be called whenever etcd has just answered. Rejects with StoreError. */
  async catchUp(): Promise<void> {
    void this.#restore();
    await this.#bury();
  }

  async #write(agentId: string, presence: Presence, value: string, lease: EtcdLease): Promise<bigint> {
    const key = this.#options.presenceKey(agentId);
    const outcome = await this.#client.create(key, value, lease.id);
    if (!('present' in outcome)) return outcome.revision;
    const other = parsePresence(outcome.present.value);
    const isOther = other !== undefined && other.instance_id !== presence.instance_id;
    if (isOther && !this.#isLeftOver(agentId, other)) {
      const who = `on host ${other.host}, connected to controller ${other.controller} since ${other.connect_time}`;
      throw new ApiError('ALREADY_EXISTS', `an agent with the id ${agentId} is connected already, ${who}`);
    }
    const taken = await this.#client.replace(key, value, outcome.present.revision, lease.id);
    if (taken === undefined) throw new ApiError('UNAVAILABLE', `the id ${agentId} has just changed hands: try again`);
    return taken;
  }

  /** A claim of this controller's that no stream here has: its end could not be written. */
  #isLeftOver(agentId: string, other: Presence): boolean {
    const isOurs = other.controller === this.#options.controllerId;
    return isOurs && !this.#held.has(agentId) && this.#claiming.get(agentId) === 1;
  }

  #countClaiming(agentId: string, by: 1 | -1): void {
    const count = (this.#claiming.get(agentId) ?? 0) + by;
    if (count === 0) this.#claiming.delete(agentId);
    else this.#claiming.set(agentId, count);
  }

  /** Writes claims again under the present lease, beside its being kept alive. What fails is tried again at the next turn. */
  async #restore(): Promise<void> {
    if (this.#restoring || this.#unwritten.size === 0) return;
    this.#restoring = true;
    const waiting = [...this.#unwritten];
    const work = async () => {
      for (let agentId = waiting.pop(); agentId !== undefined; agentId = waiting.pop()) {
        await this.#writeAgain(agentId);
        this.#unwritten.delete(agentId);
      }
    };
    try {
      await Promise.all(Array.from({ length: RESTORE_AT_ONCE }, work));
    } catch (error) {
      const fields = { agents: this.#unwritten.size, error: errorText(error) };
      this.#logger.warn('not all agents are shown as live yet', fields);
    } finally {
      this.#restoring = false;
    }
  }

  async #writeAgain(agentId: string): Promise<void> {
    const value = this.#held.get(agentId);
    if (value === undefined || !this.#lease) return;
    const key = this.#options.presenceKey(agentId);
    const outcome = await this.#client.create(key, value, this.#lease.id);
    if (!('present' in outcome)) return;
    const { present } = outcome;
    if (present.value === value) await this.#client.replace(key, value, present.revision, this.#lease.id);
    else if (this.#held.get(agentId) === value) {
      this.#held.delete(agentId);
      this.#onTaken(agentId, value);
    }
  }

  /** Takes ended claims out of etcd. */
  async #bury(): Promise<void> {
    for (const [value, { agentId, record }] of this.#ended) {
      const instead = record === undefined ? undefined : { key: this.#options.recordKey(agentId), value: record };
      await this.#client.removeIfValue(this.#options.presenceKey(agentId), value, instead);
      this.#ended.delete(value);
    }
  }
}

/** undefined for what makes no sense, and may be overwritten. */
function parsePresence(value: string): Presence | undefined {
  try {
    return JSON.parse(value) as Presence;
  } catch {
    return undefined;
  }
}
