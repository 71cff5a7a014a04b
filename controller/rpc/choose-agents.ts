import { Asked } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Selector } from '../../proto/rules/selector.ts';
import type { KnownAgent } from '../fleet/agent-directory.ts';
import type { Targets } from './request-agents.ts';

/** The agents that a request goes to, and how many were left out. */
export interface ChosenAgents {
  targets: Targets;
  asked: Asked;
}

interface Criteria {
  /** All of them must match. */
  selectors: readonly Selector[];
  /** Undefined: any agent. */
  id: string | undefined;
  /** At most this many agents. */
  max: number;
}

/** Chooses agents by their ids and labels. */
export function chooseAgents(
  agents: Iterable<Pick<KnownAgent, 'id' | 'labels' | 'controller'>>,
  { selectors, id, max }: Criteria,
): ChosenAgents {
  const targets = new Map<string, string[]>();
  const asked = Asked.create();
  for (const agent of agents) {
    if (id !== undefined && agent.id !== id) continue;
    const { labels, controller } = agent;
    if (!selectors.every((selector) => selector.matches(labels))) continue;
    asked.matching++;
    if (controller === undefined) asked.away++;
    else if (asked.asked >= max) asked.leftOut++;
    else {
      asked.asked++;
      const ids = targets.get(controller) ?? [];
      ids.push(agent.id);
      targets.set(controller, ids);
    }
  }
  return { targets, asked };
}
