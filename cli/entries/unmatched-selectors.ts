import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { shortEntryName } from '../../proto/rules/names.ts';
import { shortList } from '../output/format.ts';
import { printWarning } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents } from '../rpc/lists.ts';

const CONCURRENT_REQUESTS_MAX = 16;

/**
 * Warns of each selector that matches no known agent: most often it is misspelt. It is not an
 * error, because matching agents may be installed later. A fleet without any agent gets no warning.
 */
export async function warnOfUnmatchedSelectors(api: ControllerApi, entries: readonly Entry[]): Promise<void> {
  const bySelector = Map.groupBy(
    entries.filter(({ selector }) => selector !== ''),
    ({ selector }) => selector,
  );
  const selectors = [...bySelector.keys()];
  const unmatched: string[] = [];
  for (let at = 0; at < selectors.length; at += CONCURRENT_REQUESTS_MAX) {
    const batch = selectors.slice(at, at + CONCURRENT_REQUESTS_MAX);
    const matched = await Promise.all(batch.map((selector) => matchesAny(api, selector)));
    unmatched.push(...batch.filter((_, index) => !matched[index]));
  }
  if (unmatched.length === 0) return;
  const known = (await listAgents(api, { labelSelector: '', includeFiles: false })).length;
  if (known === 0) return;
  for (const selector of unmatched) {
    const names = bySelector.get(selector)?.map(({ name }) => shortEntryName(name)) ?? [];
    printWarning(`selector ${selector} matches no agent (${known} known): ${shortList(names)}`);
  }
}

async function matchesAny(api: ControllerApi, labelSelector: string): Promise<boolean> {
  const request = { labelSelector, pageSize: 1 };
  const { agents } = await api.call((options) => api.fleet.listAgents(request, options));
  return agents.length > 0;
}
