import { randomUUID } from 'node:crypto';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { EtcdClient, EtcdLease } from '../etcd/etcd-client.ts';
import { StoreError } from '../etcd/store-error.ts';

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

/** Writes side by side, when there are many to make good. */
const AT_ONCE = 32;

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
  /** Agents of whom etcd may hold a claim of this controller's that has ended; and the record to leave in its place. */
  readonly #doubtful = new Map<string, { record: string | undefined }>();
  #lease: EtcdLease | undefined;
  #catchingUp = false;
  #onTaken: (agentId: string, claimed: string) => void = () => {};

  constructor(client: EtcdClient, options: ClaimOptions, logger: Logger) {
    this.#client = client;
    this.#options = options;
    this.#logger = logger;
  }

  /** Calls `listener` when a claim has gone to another stream: the one here is dead, or must end. */
  onTaken(listener: (agentId: string, claimed: string) => void): void {
    this.#onTaken = listener;
  }

  /** Etcd tells who has an id. A claim that is so new that it was not told yet is no stream's here by then. */
  seen(agentId: string, { stream }: Presence): void {
    const value = this.#held.get(agentId);
    if (value !== undefined && parsePresence(value)?.stream !== stream) this.#onTaken(agentId, value);
  }

  /** The lease under which claims live from now on; undefined when there is none. */
  under(lease: EtcdLease | undefined): void {
    this.#lease = lease;
    if (lease) for (const agentId of this.#held.keys()) this.#unwritten.add(agentId);
  }

  /**
   * Claims an agent's id for one stream, and keeps `record` with it, in one transaction. Rejects with ALREADY_EXISTS when another process has it, here or at another controller;
   * the same process connecting again takes it over. Rejects with UNAVAILABLE when etcd does not say.
   */
  async claim(agentId: string, presence: Omit<Presence, 'controller' | 'stream'>, record?: string): Promise<Claim> {
    const lease = this.#lease;
    if (!lease) throw new ApiError('UNAVAILABLE', 'the controller is not connected to etcd: try again');
    const whole: Presence = { ...presence, controller: this.#options.controllerId, stream: randomUUID() };
    const value = JSON.stringify(whole);
    this.#countClaiming(agentId, 1);
    try {
      const revision = await this.#write(agentId, { presence: whole, value, record }, lease);
      this.#held.set(agentId, value);
      if (this.#lease !== lease) this.#unwritten.add(agentId);
      return { agentId, value, revision };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // A write without an answer may have been made.
      this.#doubt(agentId);
      throw new ApiError('UNAVAILABLE', `the id ${agentId} can't be claimed now, try again: ${errorText(error)}`);
    } finally {
      this.#countClaiming(agentId, -1);
    }
  }

  /** Whether a claim still is its stream's: it may have gone to another one meanwhile. */
  holds({ agentId, value }: Claim): boolean {
    return this.#held.get(agentId) === value;
  }

  /** Ends a claim and leaves `record` in its place, unless another stream has the id by now. Never rejects: it is tried until it is done. */
  async release(claim: Claim, record?: string): Promise<void> {
    const { agentId, value } = claim;
    if (this.holds(claim)) this.#held.delete(agentId);
    try {
      await this.#end(agentId, value, record);
    } catch (error) {
      this.#doubt(agentId, record);
      this.#logger.warn('the end of a stream is not written yet', { agent: agentId, error: errorText(error) });
    }
  }

  /** Does what could not be done before, side by side with what else goes on: to be called whenever etcd has just answered. */
  catchUp(): void {
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    void this.#makeGood().finally(() => {
      this.#catchingUp = false;
    });
  }

  async #write(
    agentId: string,
    { presence, value, record }: { presence: Presence; value: string; record: string | undefined },
    lease: EtcdLease,
  ): Promise<bigint> {
    const key = this.#options.presenceKey(agentId);
    const also = record === undefined ? undefined : { key: this.#options.recordKey(agentId), value: record };
    const outcome = await this.#client.create(key, value, lease.id, also);
    if (!('present' in outcome)) return outcome.revision;
    const other = parsePresence(outcome.present.value);
    const isOther = other !== undefined && other.instance_id !== presence.instance_id;
    if (isOther && !this.#isLeftOver(agentId, other)) {
      const who = `on host ${other.host}, connected to controller ${other.controller} since ${other.connect_time}`;
      throw new ApiError('ALREADY_EXISTS', `an agent with the id ${agentId} is connected already, ${who}`);
    }
    const taken = await this.#client.replace(key, value, outcome.present.revision, lease.id, also);
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

  async #makeGood(): Promise<void> {
    try {
      await sideBySide([...this.#unwritten], (agentId) => this.#writeAgain(agentId));
      await sideBySide([...this.#doubtful.keys()], (agentId) => this.#clear(agentId));
    } catch (error) {
      const fields = { unwritten: this.#unwritten.size, ended: this.#doubtful.size, error: errorText(error) };
      this.#logger.warn('not all streams are told to the other controllers yet', fields);
    }
  }

  /** Writes a claim under the present lease. */
  async #writeAgain(agentId: string): Promise<void> {
    const lease = this.#lease;
    const value = this.#held.get(agentId);
    this.#unwritten.delete(agentId);
    if (value === undefined || !lease) return;
    let isDone = false;
    try {
      isDone = await this.#put(agentId, value, lease);
    } finally {
      if (!isDone || this.#lease !== lease) this.#unwritten.add(agentId);
    }
  }

  /** False when the key has changed between a look and a write. */
  async #put(agentId: string, value: string, lease: EtcdLease): Promise<boolean> {
    const key = this.#options.presenceKey(agentId);
    const outcome = await this.#client.create(key, value, lease.id);
    if (!('present' in outcome)) return true;
    const { present } = outcome;
    if (present.value === value)
      return (await this.#client.replace(key, value, present.revision, lease.id)) !== undefined;
    if (this.#held.get(agentId) === value) {
      this.#held.delete(agentId);
      this.#onTaken(agentId, value);
    }
    return true;
  }

  #doubt(agentId: string, record?: string): void {
    this.#doubtful.set(agentId, { record: record ?? this.#doubtful.get(agentId)?.record });
  }

  async #end(agentId: string, value: string, record: string | undefined): Promise<void> {
    const instead = record === undefined ? undefined : { key: this.#options.recordKey(agentId), value: record };
    const outcome = await this.#client.removeIfValue(this.#options.presenceKey(agentId), value, instead);
    // The lease was lost, and the key with it: nobody has the id.
    if (outcome === 'absent' && instead) await this.#client.put(instead.key, instead.value);
  }

  /** Takes a claim out of etcd that is this controller's and no stream's. */
  async #clear(agentId: string): Promise<void> {
    const doubt = this.#doubtful.get(agentId);
    const stored = await this.#client.get(this.#options.presenceKey(agentId));
    const isOurs = stored && parsePresence(stored.value)?.controller === this.#options.controllerId;
    const isInUse = this.#held.has(agentId) || this.#claiming.has(agentId);
    if (!isInUse && (isOurs || !stored)) await this.#end(agentId, stored?.value ?? '', doubt?.record);
    // Another claim may have ended meanwhile, in doubt as this one was.
    if (this.#doubtful.get(agentId) === doubt) this.#doubtful.delete(agentId);
  }
}

/** Rejects with the first failure, when all that was begun has ended. */
async function sideBySide(items: string[], work: (item: string) => Promise<void>): Promise<void> {
  const worker = async () => {
    for (let item = items.pop(); item !== undefined; item = items.pop()) await work(item);
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

/** What a presence key says. Throws for what makes no sense. */
export function readPresence(value: string): Presence {
  const presence = JSON.parse(value) as Presence | null;
  if (typeof presence?.controller !== 'string' || typeof presence.instance_id !== 'string')
    throw new Error('no controller, or no instance_id');
  return presence;
}

/** undefined for what makes no sense, and may be overwritten. */
function parsePresence(value: string): Presence | undefined {
  try {
    return readPresence(value);
  } catch {
    return undefined;
  }
}
