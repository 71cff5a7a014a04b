import type { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import type { ControllerApi } from './rpc/client.ts';
import { listAgents } from './rpc/lists.ts';

/** Selectors that are asked about at once. */
const ASKED_AT_ONCE = 16;

/**
 * A line for each selector that matches no agent, of those that were ever seen: most often a slip of the pen. It is no error, for agents
 * may be still to come; where none is known at all nothing is said.
 */
export async function unmatchedSelectors(api: ControllerApi, entries: readonly Entry[]): Promise<string[]> {
  const bySelector = Map.groupBy(
    entries.filter(({ selector }) => selector !== ''),
    ({ selector }) => selector,
  );
  const selectors = [...bySelector.keys()];
  const unmatched: string[] = [];
  for (let at = 0; at < selectors.length; at += ASKED_AT_ONCE) {
    const asked = selectors.slice(at, at + ASKED_AT_ONCE);
    const matched = await Promise.all(asked.map((selector) => matchesAny(api, selector)));
    unmatched.push(...asked.filter((_, index) => !matched[index]));
  }
  if (unmatched.length === 0) return [];
  const known = (await listAgents(api, { labelSelector: '', includeFiles: false })).length;
  if (known === 0) return [];
  return unmatched.map((selector) => {
    const names = bySelector.get(selector)?.map(({ name }) => name.replace(/^entries\//, '')) ?? [];
    const which = names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
    return `warning: selector ${selector} matches no agent (${known} known): ${which}\n`;
  });
}

async function matchesAny(api: ControllerApi, labelSelector: string): Promise<boolean> {
  const request = { labelSelector, pageSize: 1 };
  const { agents } = await api.call((options) => api.fleet.listAgents(request, options));
  return agents.length > 0;
}
