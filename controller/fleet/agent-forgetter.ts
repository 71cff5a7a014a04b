import { agentName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { encodeRecord, parseRecord } from './agent-record.ts';
import type { AgentRegistry } from './agent-registry.ts';

const CHECKS_PER_AGE = 20;
const CHECK_INTERVAL_MAX_MS = 3_600_000;
/** Writes at one check. A fleet that was removed is not deleted in one burst. */
const WRITES_MAX = 1_000;
/** How often the deletion of a record that changes meanwhile is tried. */
const ATTEMPTS_MAX = 5;
/**
 * Records of connected agents are refreshed at this share of the age. An agent that dies together
 * with all controllers is not forgotten as soon as a controller starts again.
 */
const REFRESH_SHARE = 0.25;

interface Store {
  client: EtcdClient;
  mirror: EtcdMirror;
  keys: Keyspace;
}

/**
 * Deletes the records of agents that have been disconnected for a long time. Every controller does
 * so: a record is deleted only if it has not changed since it was read, and only while its agent is
 * disconnected.
 */
export class AgentForgetter {
  readonly #store: Store;
  readonly #registry: AgentRegistry;
  readonly #controllerId: string;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    store: Store,
    registry: AgentRegistry,
    controllerId: string,
    { clock, logger }: { clock: Clock; logger: Logger },
  ) {
    this.#store = store;
    this.#registry = registry;
    this.#controllerId = controllerId;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Forgets agents that have been disconnected for `ageMs`, until `signal` is aborted. */
  async run(ageMs: number, signal: AbortSignal): Promise<void> {
    const intervalMs = Math.min(ageMs / CHECKS_PER_AGE, CHECK_INTERVAL_MAX_MS);
    while (!signal.aborted) {
      // Randomized: controllers that were started together do not all check at once.
      await this.#clock.sleep(intervalMs * (0.5 + Math.random()), signal).catch(() => {});
      if (!signal.aborted) await this.#check(ageMs, signal);
    }
  }

  /**
   * Deletes the record of one agent, and resolves when the view has the deletion. Rejects with
   * NOT_FOUND, and with FAILED_PRECONDITION while the agent is connected.
   */
  async forget(agentId: string): Promise<void> {
    const { client, mirror, keys } = this.#store;
    const [record, presence] = [keys.agents.key(agentId), keys.presence.key(agentId)];
    const name = agentName(agentId);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await client.get(record);
      if (!stored) throw new ApiError('NOT_FOUND', `there is no ${name}`);
      const revision = await client.deleteUnless(record, stored.revision, presence);
      if (revision !== undefined) return mirror.waitForRevision(revision);
      if (await client.get(presence))
        throw new ApiError('FAILED_PRECONDITION', `${name} is connected: stop it before you delete it`);
    }
    throw new ApiError('ABORTED', `${name} connects and disconnects too often to delete: try again`);
  }

  async #check(ageMs: number, signal: AbortSignal): Promise<void> {
    const { client, keys } = this.#store;
    const nowMs = this.#clock.nowMs();
    let forgotten = 0;
    try {
      for (const agentId of this.#disconnectedSince(nowMs - ageMs).slice(0, WRITES_MAX)) {
        if (signal.aborted) break;
        const record = keys.agents.key(agentId);
        const stored = await client.get(record);
        const isDeleted =
          stored && (await client.deleteUnless(record, stored.revision, keys.presence.key(agentId))) !== undefined;
        if (isDeleted) forgotten++;
      }
      for (const agentId of this.#outdatedSince(nowMs - ageMs * REFRESH_SHARE).slice(0, WRITES_MAX)) {
        if (signal.aborted) break;
        await this.#refresh(agentId, new Date(nowMs));
      }
    } catch (error) {
      this.#logger.warn('agents not forgotten, retrying', { error: errorText(error) });
    }
    if (forgotten > 0) this.#logger.info('agents forgotten', { count: forgotten });
  }

  /** Agents that are disconnected and were last seen before this time. */
  #disconnectedSince(timeMs: number): string[] {
    return [...this.#registry.records()].flatMap(([id, { lastSeenTime }]) => {
      const noticedMs = this.#registry.disappearance(id)?.noticedTime.getTime() ?? 0;
      const isGone = !this.#registry.presence(id) && Math.max(lastSeenTime.getTime(), noticedMs) < timeMs;
      return isGone ? [id] : [];
    });
  }

  /** Agents that are connected to this controller and whose records are from before this time. */
  #outdatedSince(timeMs: number): string[] {
    return [...this.#registry.records()].flatMap(([id, { lastSeenTime }]) => {
      const isOwn = this.#registry.presence(id)?.controller === this.#controllerId;
      return isOwn && lastSeenTime.getTime() < timeMs ? [id] : [];
    });
  }

  /** Writes that an agent was seen, unless the end of its stream has just been written. */
  async #refresh(agentId: string, lastSeenTime: Date): Promise<void> {
    const { client, keys } = this.#store;
    const key = keys.agents.key(agentId);
    const stored = await client.get(key);
    if (!stored) return;
    await client.replace(key, encodeRecord({ ...parseRecord(stored.value), lastSeenTime }), stored.revision);
  }
}
