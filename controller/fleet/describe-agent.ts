import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentName } from '../../proto/rules/names.ts';
import { type AgentRecord, lastStateOf } from './agent-record.ts';
import type { AgentSession } from './agent-session.ts';
import type { Membership } from './membership.ts';

/** An agent that is connected to this controller. */
export function describeSession(session: AgentSession, controller: string, includeFiles: boolean): Agent {
  return {
    name: agentName(session.identity.agentId),
    identity: session.identity,
    liveness: session.liveness,
    controller,
    connectTime: session.connectTime,
    lastSeenTime: session.lastSeen,
    health: session.health,
    entries: session.entries,
    files: includeFiles ? session.files : [],
    fileCount: session.fileCount,
    error: '',
    clockSkewMs: BigInt(session.clockSkewMs),
    capabilities: includeFiles ? [...session.capabilities] : [],
  };
}

/** What etcd says of an agent that is not connected to this controller: of a live one elsewhere only where. */
export function describeRecord(record: AgentRecord, membership: Membership): Agent {
  const { identity, connectTime, lastSeenTime } = record;
  const presence = membership.presence(identity.agentId);
  const common = { name: agentName(identity.agentId), identity };
  if (presence) {
    const since = new Date(presence.connect_time);
    const times = { connectTime: since, lastSeenTime: since > lastSeenTime ? since : lastSeenTime };
    return Agent.create({ ...common, liveness: 'LIVENESS_LIVE', controller: presence.controller, ...times });
  }
  const vanished = membership.vanished(identity.agentId);
  return {
    ...common,
    ...{ liveness: record.stopped ? 'LIVENESS_STOPPED' : 'LIVENESS_LOST', files: [], error: '', capabilities: [] },
    controller: vanished?.controller ?? record.controller,
    connectTime: vanished?.connectTime ?? connectTime,
    lastSeenTime: vanished?.noticedTime ?? lastSeenTime,
    ...lastStateOf(record),
  };
}
