import type { Condition } from '../../proto/gen/logfleet/v1/alert.ts';
import type { ListConditionsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentId, agentName } from '../../proto/rules/names.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { conditionsOf, lostCondition, type RuleSettings } from './conditions.ts';
import type { FleetConditions } from './evaluator.ts';

/** Another controller, as far as conditions go. */
export interface ConditionPeer {
  id: string;
  /** Undefined when it does not answer. */
  listConditions(): Promise<ListConditionsResponse | undefined>;
}

/** What is wrong with the agents connected here; and who of those that are, or are about to be, has not reported yet. */
export function localConditions(fleet: Fleet, settings: RuleSettings, nowMs: number): ListConditionsResponse {
  const facts = Map.groupBy(settings.lossMs > 0 ? fleet.localFacts(() => true) : [], ({ agent }) => agent);
  const conditions: Condition[] = [];
  const unreported: string[] = [];
  for (const agent of fleet.local(false)) {
    if (agent.health) conditions.push(...conditionsOf(agent, facts.get(agent.name) ?? [], settings, nowMs));
    else unreported.push(agent.name);
  }
  for (const [id, { controller }] of fleet.presences)
    if (controller === fleet.controllerId && !fleet.isLocal(id)) unreported.push(agentName(id));
  return { conditions, unreported };
}

/** What is wrong in the whole fleet. Of agents whose controller does not answer, and of those that are lost, only that is known. */
export async function fleetConditions(
  fleet: Fleet,
  own: { id: string; conditions: ListConditionsResponse },
  peers: readonly ConditionPeer[],
): Promise<FleetConditions> {
  // Whoever connects while the others are asked may have missed its controller's answer.
  const before = fleet.presences;
  const answers = new Map([[own.id, own.conditions]]);
  await Promise.all(
    peers.map(async ({ id, listConditions }) => {
      const answer = await listConditions();
      if (answer) answers.set(id, answer);
    }),
  );
  const after = fleet.presences;
  const unreported = new Set([...answers.values()].flatMap((answer) => answer.unreported));
  const lost = fleet.lost().map(lostCondition);
  return {
    conditions: [...[...answers.values()].flatMap(({ conditions }) => conditions), ...lost],
    isKnown: ({ rule, agent: name }) => {
      const id = agentId(name) ?? '';
      const agent = fleet.recorded(id);
      if (!agent || agent.liveness === 'LIVENESS_STOPPED' || rule === 'AgentLost') return true;
      const stayed = before.get(id)?.stream === after.get(id)?.stream;
      return agent.liveness === 'LIVENESS_LIVE' && stayed && answers.has(agent.controller) && !unreported.has(name);
    },
  };
}
