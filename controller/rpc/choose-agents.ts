import { Asked } from '../../proto/gen/logfleet/v1/ask.ts';
import type { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import type { Selector } from '../../proto/rules/selector.ts';
import type { Targets } from './ask-agents.ts';

/** Whom a question goes to. */
export interface Chosen {
  targets: Targets;
  asked: Asked;
}

interface Choice {
  /** All of them must match. */
  selectors: readonly Selector[];
  /** Only this agent. */
  id: string | undefined;
  /** At most so many. */
  max: number;
}

/** Chooses among all agents, by what is known of them. */
export function chooseAgents(
  agents: Iterable<{ identity: AgentIdentity; controller: string | undefined }>,
  { selectors, id, max }: Choice,
): Chosen {
  const targets = new Map<string, string[]>();
  const asked = Asked.create();
  for (const { identity, controller } of agents) {
    if (id !== undefined && identity.agentId !== id) continue;
    const labels = selectorLabels(identity);
    if (!selectors.every((selector) => selector.matches(labels))) continue;
    asked.matching++;
    if (controller === undefined) asked.away++;
    else if (asked.asked >= max) asked.leftOut++;
    else {
      asked.asked++;
      const ids = targets.get(controller) ?? [];
      ids.push(identity.agentId);
      targets.set(controller, ids);
    }
  }
  return { targets, asked };
}
