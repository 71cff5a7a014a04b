import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import { encodeRecord, parseRecord } from './agent-record.ts';
import type { Membership } from './membership.ts';

const LOOKS_PER_AGE = 20;
const LOOK_INTERVAL_MAX_MS = 3_600_000;
/** At one look, so that a fleet that was torn down is not deleted in one burst. */
const WRITES_MAX = 1_000;
/** A record that changes while it is deleted is read again. */
const ATTEMPTS = 5;
/** Records of connected agents are no older than this part of the age, so that one that dies with all controllers is not forgotten at once. */
const REFRESHED_AT = 0.25;

/**
 * Deletes what etcd keeps of agents that were not seen for so long. Every controller does so: a record is deleted only as it was looked
 * at, and only while its agent is not connected.
 */
export async function forgetAgents(
  membership: Membership,
  client: EtcdClient,
  afterMs: number,
  { clock, logger }: { clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const intervalMs = Math.min(afterMs / LOOKS_PER_AGE, LOOK_INTERVAL_MAX_MS);
  while (!signal.aborted) {
    // Anywhere in the interval: controllers that were started together take turns.
    await clock.sleep(intervalMs * (0.5 + Math.random()), signal).catch(() => {});
    if (signal.aborted) return;
    let forgotten = 0;
    try {
      const nowMs = clock.nowMs();
      for (const agentId of membership.unseenSince(nowMs - afterMs).slice(0, WRITES_MAX)) {
        if (signal.aborted) break;
        const { record, presence } = membership.keysOf(agentId);
        const stored = await client.get(record);
        if (stored && (await client.removeUnless(record, stored.revision, presence)) !== undefined) forgotten++;
      }
      for (const agentId of membership.connectedWithRecordsOf(nowMs - afterMs * REFRESHED_AT).slice(0, WRITES_MAX)) {
        if (signal.aborted) break;
        await refresh(client, membership.keysOf(agentId).record, new Date(nowMs));
      }
    } catch (error) {
      logger.warn('agents that are long gone are forgotten later', { error: errorText(error) });
    }
    if (forgotten > 0) logger.info('agents that are long gone were forgotten', { agents: forgotten });
  }
}

/** Writes down that an agent was seen, unless its stream is just being ended. */
async function refresh(client: EtcdClient, key: string, lastSeenTime: Date): Promise<void> {
  const stored = await client.get(key);
  if (!stored) return;
  await client.replace(key, encodeRecord({ ...parseRecord(stored.value), lastSeenTime }), stored.revision);
}

/**
 * Deletes what etcd keeps of one agent; returns the revision at which it is gone. Rejects with NOT_FOUND, and with FAILED_PRECONDITION while
 * the agent is connected.
 */
export async function forgetAgent(membership: Membership, client: EtcdClient, agentId: string): Promise<bigint> {
  const { record, presence } = membership.keysOf(agentId);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stored = await client.get(record);
    if (!stored) throw new ApiError('NOT_FOUND', `there is no agents/${agentId}`);
    const revision = await client.removeUnless(record, stored.revision, presence);
    if (revision !== undefined) return revision;
    if (await client.get(presence))
      throw new ApiError('FAILED_PRECONDITION', `agents/${agentId} is connected: stop it before it is forgotten`);
  }
  throw new ApiError('ABORTED', `agents/${agentId} comes and goes: try again`);
}
