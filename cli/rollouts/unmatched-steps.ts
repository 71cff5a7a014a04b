import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { RolloutPlan } from '../../proto/gen/logfleet/v1/rollout.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { shortEntryName } from '../../proto/rules/names.ts';
import { parseCanary } from '../../proto/rules/rollout-rules.ts';
import { parseSelector } from '../../proto/rules/selector.ts';
import { shortList } from '../output/format.ts';
import { printWarning } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents } from '../rpc/lists.ts';

/** A change to roll out: the version in force, if there is one, and the new one. */
interface EntryChange {
  stored: Entry | undefined;
  wanted: Entry;
}

/**
 * Warns of each step of a rollout that has no agent to try the change on, or fewer than it names.
 * It is not an error, because matching agents may connect later. An entry without any agent gets no
 * warning here; see `warnOfUnmatchedSelectors`.
 */
export async function warnOfUnmatchedSteps(
  api: ControllerApi,
  { steps }: RolloutPlan,
  changes: readonly EntryChange[],
): Promise<void> {
  if (changes.length === 0) return;
  const all = await listAgents(api, { labelSelector: '', includeFiles: false });
  const namesByProblem = new Map<string, string[]>();
  for (const { stored, wanted } of changes) {
    // Agents that only the previous version selects are in the rollout, too.
    const selected = new Set([stored, wanted].flatMap((entry) => (entry ? matching(all, entry.selector) : [])));
    if (selected.size === 0) continue;
    for (const canary of new Set(steps.map((step) => step.canary))) {
      const problem = problemOf(canary, [...selected]);
      if (problem === undefined) continue;
      const names = namesByProblem.get(problem) ?? [];
      namesByProblem.set(problem, [...names, shortEntryName(wanted.name)]);
    }
  }
  for (const [problem, names] of namesByProblem) printWarning(`rollout step ${problem}: ${shortList(names)}`);
}

/** Why a step reaches fewer agents than it names; undefined if it reaches enough. */
function problemOf(text: string, agents: readonly Agent[]): string | undefined {
  const canary = parseCanary(text);
  if (canary.kind === 'all') return undefined;
  const matched = canary.kind === 'selector' ? matching(agents, canary.selector) : agents;
  if (matched.length === 0) return `${text} matches no agent (${agents.length} known)`;
  const connected = matched.filter(({ liveness }) => liveness === 'LIVENESS_LIVE').length;
  if (connected === 0) return `${text} has no connected agent (${matched.length} known)`;
  if (canary.kind === 'count' && canary.count > connected)
    return `${text} needs more agents than are connected (${connected})`;
  return undefined;
}

function matching(agents: readonly Agent[], selector: string): Agent[] {
  const { matches } = parseSelector(selector);
  return agents.filter(({ identity }) => identity && matches(selectorLabels(identity)));
}
