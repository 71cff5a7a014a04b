import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentName } from '../../proto/rules/names.ts';
import { type AgentRecord, decodeLastState } from './agent-record.ts';
import type { Disappearance } from './agent-registry.ts';
import type { AgentSession } from './agent-session.ts';
import type { Presence } from './presence.ts';

/** An agent connected to this controller. */
export function describeSession(session: AgentSession, controller: string, includeFiles: boolean): Agent {
  const { reported } = session;
  return {
    name: agentName(session.agentId),
    identity: session.identity,
    liveness: 'LIVENESS_LIVE',
    controller,
    connectTime: session.connectTime,
    lastSeenTime: reported.lastSeen,
    health: reported.health,
    entries: reported.entries,
    files: includeFiles ? reported.files : [],
    fileCount: reported.fileCount,
    error: session.error,
    clockSkewMs: BigInt(reported.clockSkewMs),
    capabilities: includeFiles ? [...session.capabilities] : [],
  };
}

/**
 * An agent not connected to this controller. If it is connected elsewhere, only that is known here.
 */
export function describeRecord(
  record: AgentRecord,
  { presence, disappearance }: { presence: Presence | undefined; disappearance: Disappearance | undefined },
): Agent {
  const { identity, connectTime, lastSeenTime } = record;
  const common = { name: agentName(identity.agentId), identity };
  if (presence) {
    const since = new Date(presence.connect_time);
    const times = { connectTime: since, lastSeenTime: since > lastSeenTime ? since : lastSeenTime };
    return Agent.create({ ...common, liveness: 'LIVENESS_LIVE', controller: presence.controller, ...times });
  }
  return {
    ...common,
    ...{ liveness: record.stopped ? 'LIVENESS_STOPPED' : 'LIVENESS_LOST', files: [], error: '', capabilities: [] },
    controller: disappearance?.controller ?? record.controller,
    connectTime: disappearance?.connectTime ?? connectTime,
    lastSeenTime: disappearance?.noticedTime ?? lastSeenTime,
    ...decodeLastState(record),
  };
}
