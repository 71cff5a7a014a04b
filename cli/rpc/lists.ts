import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { ControllerApi } from './client.ts';

const PAGE_SIZE = 1000;

/** All entries whose labels match, page by page. */
export function listEntries(api: ControllerApi, asked: { labelSelector: string }): Promise<Entry[]> {
  return listAll(async (pageToken) => {
    const request = { ...asked, pageToken, pageSize: PAGE_SIZE };
    const { entries, nextPageToken } = await api.call((options) => api.entries.listEntries(request, options));
    return { items: entries, nextPageToken };
  });
}

/** All agents whose labels match, page by page. Controllers that don't answer are told on standard error. */
export function listAgents(
  api: ControllerApi,
  asked: { labelSelector: string; includeFiles: boolean },
): Promise<Agent[]> {
  const told = new Set<string>();
  return listAll(async (pageToken) => {
    const request = { ...asked, pageToken, pageSize: PAGE_SIZE };
    const { agents, nextPageToken, unreachable } = await api.call((options) => api.fleet.listAgents(request, options));
    for (const controller of unreachable.filter((name) => !told.has(name)))
      process.stderr.write(`warning: ${controller} does not answer; its agents are shown without health\n`);
    for (const controller of unreachable) told.add(controller);
    return { items: agents, nextPageToken };
  });
}

async function listAll<Item>(
  page: (token: string) => Promise<{ items: Item[]; nextPageToken: string }>,
): Promise<Item[]> {
  const all: Item[] = [];
  for (let token = ''; ; ) {
    const { items, nextPageToken } = await page(token);
    all.push(...items);
    token = nextPageToken;
    if (token === '') return all;
  }
}
