import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { EtcdClient, EtcdLease } from '../etcd/etcd-client.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { StoreError } from '../etcd/store-error.ts';
import { isUpToDate, newRecord } from './agent-record.ts';
import type { AgentRegistry } from './agent-registry.ts';
import { ConcurrencyLimit, forEachConcurrently } from './concurrency-limit.ts';
import { type Presence, tryParsePresence } from './presence.ts';

/** An agent's id, held by one stream. */
export interface Claim {
  agentId: string;
  /** The value of the presence key. No other claim has it. */
  value: string;
  /** The revision at which it was written. */
  revision: bigint;
}

/**
 * Writes of streams that begin or end, at a time. Ten thousand at a time would all exceed their
 * deadlines.
 */
const WRITES_MAX = 64;
/** Writes that catch up after etcd was unreachable, at a time. */
const CATCH_UPS_MAX = 32;

/**
 * The claims of the agents connected to this controller. In the whole fleet at most one stream
 * holds an agent's id. A claim is the key `presence/AGENT`, under the controller's lease. Claims
 * write the agents' records (`agents/AGENT`) with it, in one transaction.
 */
export class AgentClaims {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #registry: AgentRegistry;
  readonly #controllerId: string;
  readonly #logger: Logger;
  readonly #writes = new ConcurrencyLimit(WRITES_MAX);
  /** The value of each held claim, by the agent's id. */
  readonly #held = new Map<string, string>();
  /** How many streams are claiming an id. */
  readonly #claiming = new Map<string, number>();
  /** Agents whose claims must be written again under a new lease. */
  readonly #unwritten = new Set<string>();
  /**
   * Agents of which etcd may still have a claim of this controller that has ended, and the record
   * to write when it is removed.
   */
  readonly #doubtful = new Map<string, { record: string | undefined }>();
  #lease: EtcdLease | undefined;
  #isCatchingUp = false;
  #onTaken: (agentId: string, value: string) => void = () => {};

  constructor(
    { client, keys }: { client: EtcdClient; keys: Keyspace },
    registry: AgentRegistry,
    controllerId: string,
    logger: Logger,
  ) {
    this.#client = client;
    this.#keys = keys;
    this.#registry = registry;
    this.#controllerId = controllerId;
    this.#logger = logger;
    registry.onPresenceChange((agentId) => this.#checkHolder(agentId));
  }

  /**
   * Calls `listener` when another stream has taken over a claim. The stream that held it must end.
   */
  onTaken(listener: (agentId: string, value: string) => void): void {
    this.#onTaken = listener;
  }

  /** Sets the lease for all claims; undefined when there is none. */
  setLease(lease: EtcdLease | undefined): void {
    this.#lease = lease;
    if (lease) for (const agentId of this.#held.keys()) this.#unwritten.add(agentId);
  }

  /**
   * Claims an agent's id for a new stream, and writes its record unless etcd has it. A new stream
   * of the same process takes the id over. Rejects with ALREADY_EXISTS when another process holds
   * the id, with UNAVAILABLE when etcd does not respond, and when `signal` is aborted before its
   * turn.
   */
  claim(identity: AgentIdentity, instanceId: string, now: Date, signal: AbortSignal): Promise<Claim> {
    return this.#writes.run(() => {
      // An agent that has given up reconnects, and its new stream waits for another turn.
      signal.throwIfAborted();
      const { agentId, host } = identity;
      const known = this.#registry.record(agentId);
      const record = known && isUpToDate(known, identity) ? undefined : this.#newRecord(identity, now);
      const names = { controller: this.#controllerId, stream: randomUUID() };
      const presence = { instance_id: instanceId, host, connect_time: now.toISOString(), ...names };
      return this.#claim(agentId, presence, record);
    });
  }

  /** Writes the record of an agent that was forgotten while its stream began. */
  async restoreRecord(identity: AgentIdentity, now: Date): Promise<void> {
    const { agentId } = identity;
    if (this.#registry.record(agentId)) return;
    await this.#client.put(this.#keys.agents.key(agentId), this.#newRecord(identity, now));
  }

  /** Whether a claim is still held: another stream may have taken it over. */
  holds({ agentId, value }: Claim): boolean {
    return this.#held.get(agentId) === value;
  }

  /**
   * Ends a claim and writes `record`, unless another stream holds the id. Never rejects: what
   * cannot be written now is written after the next renewal of the lease.
   */
  release(claim: Claim, record?: string): Promise<void> {
    return this.#writes.run(async () => {
      const { agentId, value } = claim;
      if (this.holds(claim)) this.#held.delete(agentId);
      try {
        await this.#remove(agentId, value, record);
      } catch (error) {
        this.#markDoubtful(agentId, record);
        this.#logger.warn('end of stream not written, retrying', { agent: agentId, error: errorText(error) });
      }
    });
  }

  /** Retries in the background what could not be written before. */
  catchUp(): void {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    void this.#catchUp().finally(() => {
      this.#isCatchingUp = false;
    });
  }

  async #claim(agentId: string, presence: Presence, record: string | undefined): Promise<Claim> {
    const lease = this.#lease;
    if (!lease) throw new ApiError('UNAVAILABLE', 'the controller is not connected to etcd: try again');
    const value = JSON.stringify(presence);
    this.#countClaiming(agentId, 1);
    try {
      const revision = await this.#write(agentId, { presence, value, record }, lease);
      this.#held.set(agentId, value);
      if (this.#lease !== lease) this.#unwritten.add(agentId);
      return { agentId, value, revision };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // etcd may have made the write.
      this.#markDoubtful(agentId);
      throw new ApiError('UNAVAILABLE', `the id ${agentId} can't be claimed now, try again: ${errorText(error)}`);
    } finally {
      this.#countClaiming(agentId, -1);
    }
  }

  async #write(
    agentId: string,
    { presence, value, record }: { presence: Presence; value: string; record: string | undefined },
    lease: EtcdLease,
  ): Promise<bigint> {
    const key = this.#keys.presence.key(agentId);
    const companion = record === undefined ? undefined : { key: this.#keys.agents.key(agentId), value: record };
    const outcome = await this.#client.create(key, value, lease.id, companion);
    if (!('present' in outcome)) return outcome.revision;
    const holder = tryParsePresence(outcome.present.value);
    const isOther = holder !== undefined && holder.instance_id !== presence.instance_id;
    if (isOther && !this.#isLeftOver(agentId, holder)) {
      const details = `on host ${holder.host}, to controller ${holder.controller} since ${holder.connect_time}`;
      throw new ApiError('ALREADY_EXISTS', `an agent with the id ${agentId} is already connected, ${details}`);
    }
    const revision = await this.#client.replace(key, value, outcome.present.revision, lease.id, companion);
    if (revision !== undefined) return revision;
    throw new ApiError('UNAVAILABLE', `another stream has just claimed the id ${agentId}: try again`);
  }

  /** Whether a claim of this controller has no stream: its end could not be written. */
  #isLeftOver(agentId: string, holder: Presence): boolean {
    const isOwn = holder.controller === this.#controllerId;
    return isOwn && !this.#held.has(agentId) && this.#claiming.get(agentId) === 1;
  }

  /**
   * Notices that another stream holds an id. An outdated presence may arrive while a newer claim is
   * held here. That does no harm: the stream of a claim opens only after its presence has arrived.
   */
  #checkHolder(agentId: string): void {
    const presence = this.#registry.presence(agentId);
    const value = this.#held.get(agentId);
    if (!presence || value === undefined) return;
    if (tryParsePresence(value)?.stream !== presence.stream) this.#onTaken(agentId, value);
  }

  /** A new stream's agent keeps its last state until it reports. */
  #newRecord(identity: AgentIdentity, now: Date): string {
    return newRecord(identity, {
      controller: this.#controllerId,
      now,
      previous: this.#registry.record(identity.agentId),
    });
  }

  #countClaiming(agentId: string, by: 1 | -1): void {
    const count = (this.#claiming.get(agentId) ?? 0) + by;
    assert(count >= 0, `claims of ${agentId} that never began have ended`);
    if (count === 0) this.#claiming.delete(agentId);
    else this.#claiming.set(agentId, count);
  }

  async #catchUp(): Promise<void> {
    try {
      await forEachConcurrently(this.#unwritten, CATCH_UPS_MAX, (agentId) => this.#rewrite(agentId));
      await forEachConcurrently(this.#doubtful.keys(), CATCH_UPS_MAX, (agentId) => this.#resolveDoubt(agentId));
    } catch (error) {
      const fields = { unwritten: this.#unwritten.size, ended: this.#doubtful.size, error: errorText(error) };
      this.#logger.warn('claims not up to date in etcd, retrying', fields);
    }
  }

  /** Writes a held claim under the present lease. */
  async #rewrite(agentId: string): Promise<void> {
    const lease = this.#lease;
    const value = this.#held.get(agentId);
    this.#unwritten.delete(agentId);
    if (value === undefined || !lease) return;
    let isDone = false;
    try {
      isDone = await this.#putUnlessTaken(agentId, value, lease);
    } finally {
      if (!isDone || this.#lease !== lease) this.#unwritten.add(agentId);
    }
  }

  /** Resolves with false when the key has changed between the read and the write. */
  async #putUnlessTaken(agentId: string, value: string, lease: EtcdLease): Promise<boolean> {
    const key = this.#keys.presence.key(agentId);
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

  #markDoubtful(agentId: string, record?: string): void {
    this.#doubtful.set(agentId, { record: record ?? this.#doubtful.get(agentId)?.record });
  }

  async #remove(agentId: string, value: string, record: string | undefined): Promise<void> {
    const replacement = record === undefined ? undefined : { key: this.#keys.agents.key(agentId), value: record };
    const outcome = await this.#client.deleteIfValue(this.#keys.presence.key(agentId), value, replacement);
    // The lease and the key are lost, and nobody holds the id.
    if (outcome === 'absent' && replacement) await this.#client.put(replacement.key, replacement.value);
  }

  /** Removes a claim of this controller that has no stream. */
  async #resolveDoubt(agentId: string): Promise<void> {
    const doubt = this.#doubtful.get(agentId);
    const stored = await this.#client.get(this.#keys.presence.key(agentId));
    const isOwn = stored && tryParsePresence(stored.value)?.controller === this.#controllerId;
    const isInUse = this.#held.has(agentId) || this.#claiming.has(agentId);
    if (!isInUse && (isOwn || !stored)) await this.#remove(agentId, stored?.value ?? '', doubt?.record);
    // Unless another claim of the agent has become doubtful since.
    if (this.#doubtful.get(agentId) === doubt) this.#doubtful.delete(agentId);
  }
}
