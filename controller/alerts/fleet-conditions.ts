import type { Condition } from '../../proto/gen/logfleet/v1/alert.ts';
import type { ListConditionsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentId, agentName } from '../../proto/rules/names.ts';
import type { AgentDirectory } from '../fleet/agent-directory.ts';
import { describeSession } from '../fleet/describe-agent.ts';
import { agentConditions, lostCondition, type RuleSettings } from './conditions.ts';
import type { FleetConditions } from './evaluator.ts';

/** Another controller. */
export interface ConditionPeer {
  id: string;
  /** Resolves with undefined when it does not respond. */
  listConditions(): Promise<ListConditionsResponse | undefined>;
}

/**
 * The conditions of the agents connected to this controller, and the agents whose conditions are
 * unknown: they are connecting, or have not reported yet.
 */
export function localConditions(agents: AgentDirectory, settings: RuleSettings, nowMs: number): ListConditionsResponse {
  const conditions: Condition[] = [];
  const unreported: string[] = [];
  for (const session of agents.sessions()) {
    const agent = describeSession(session, agents.controllerId, false);
    const facts = settings.lossMs > 0 ? session.reported.facts : [];
    if (agent.health) conditions.push(...agentConditions(agent, facts, settings, nowMs));
    else unreported.push(agent.name);
  }
  for (const [id, { controller }] of agents.presences())
    if (controller === agents.controllerId && !agents.session(id)) unreported.push(agentName(id));
  return { conditions, unreported };
}

/**
 * The conditions of the whole fleet. If an agent's controller does not respond, or the agent is
 * lost, its other conditions are unknown.
 */
export async function fleetConditions(
  agents: AgentDirectory,
  own: { id: string; conditions: ListConditionsResponse },
  peers: readonly ConditionPeer[],
): Promise<FleetConditions> {
  // An agent that reconnects during the requests may be in none of the responses.
  const before = agents.presences();
  const responses = new Map([[own.id, own.conditions]]);
  await Promise.all(
    peers.map(async ({ id, listConditions }) => {
      const response = await listConditions();
      if (response) responses.set(id, response);
    }),
  );
  const after = agents.presences();
  const unreported = new Set([...responses.values()].flatMap((response) => response.unreported));
  const lost = [...agents.all()].filter(({ liveness }) => liveness === 'LIVENESS_LOST');
  return {
    conditions: [
      ...[...responses.values()].flatMap(({ conditions }) => conditions),
      ...lost.map((agent) => lostCondition(agent.describe(false))),
    ],
    isKnown: ({ rule, agent: name }) => {
      const id = agentId(name) ?? '';
      const agent = agents.find(id);
      if (!agent || agent.liveness === 'LIVENESS_STOPPED' || rule === 'AgentLost') return true;
      if (agent.controller === undefined || unreported.has(name)) return false;
      return before.get(id)?.stream === after.get(id)?.stream && responses.has(agent.controller);
    },
  };
}
