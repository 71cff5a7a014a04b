import type { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import type { Alert } from '../../proto/gen/logfleet/v1/alert.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryState } from '../../proto/gen/logfleet/v1/entry_state.ts';
import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { DeepPartial, ListAgentsRequest } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { RolloutStatus } from '../../proto/gen/logfleet/v1/rollout.ts';
import { type ControllerApi, isNotFound } from './client.ts';

const PAGE_SIZE = 1000;
const GETS_AT_ONCE = 64;

/** All entries whose labels match, page by page. */
export function listEntries(api: ControllerApi, asked: { labelSelector: string }): Promise<Entry[]> {
  return listAll(async (pageToken) => {
    const request = { ...asked, pageToken, pageSize: PAGE_SIZE };
    const { entries, nextPageToken } = await api.call((options) => api.entries.listEntries(request, options));
    return { items: entries, nextPageToken };
  });
}

/** Entries by their names; those that are not there are left out. */
export async function findEntries(api: ControllerApi, names: readonly string[]): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>();
  for (let at = 0; at < names.length; at += GETS_AT_ONCE) {
    const gets = names.slice(at, at + GETS_AT_ONCE).map(async (name) => {
      try {
        found.set(name, await api.call((options) => api.entries.getEntry({ name }, options)));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    });
    await Promise.all(gets);
  }
  return found;
}

/** All versions of an entry that are kept, the newest first. */
export function listVersions(api: ControllerApi, name: string): Promise<EntryVersion[]> {
  return listAll(async (pageToken) => {
    const request = { name, pageToken, pageSize: PAGE_SIZE };
    const { versions, nextPageToken } = await api.call((options) => api.entries.listEntryVersions(request, options));
    return { items: versions, nextPageToken };
  });
}

/** All agents whose labels match, page by page. Controllers that don't answer are told on standard error. */
export function listAgents(
  api: ControllerApi,
  asked: { labelSelector: string; includeFiles: boolean } & DeepPartial<ListAgentsRequest>,
): Promise<Agent[]> {
  const warn = unansweredWarner('its agents are shown without health');
  return listAll(async (pageToken) => {
    const request = { ...asked, pageToken, pageSize: PAGE_SIZE };
    const { agents, nextPageToken, unreachable } = await api.call((options) => api.fleet.listAgents(request, options));
    warn(unreachable);
    return { items: agents, nextPageToken };
  });
}

/** How entries are doing across the fleet: these, or all whose labels match. Controllers that don't answer are told on standard error. */
export function listEntryStates(
  api: ControllerApi,
  asked: { labelSelector?: string; entries?: string[] },
): Promise<EntryState[]> {
  const warn = unansweredWarner('what its agents report is not in the sums');
  return listAll(async (pageToken) => {
    const request = { ...asked, pageToken, pageSize: PAGE_SIZE };
    const { states, nextPageToken, unreachable } = await api.call((options) =>
      api.fleet.listEntryStates(request, options),
    );
    warn(unreachable);
    return { items: states, nextPageToken };
  });
}

/** The losses of the agents that are connected, the oldest first. Controllers that don't answer are told on standard error. */
export async function listLosses(
  api: ControllerApi,
  asked: { labelSelector: string; agent: string; entry: string },
): Promise<Fact[]> {
  const warn = unansweredWarner('the losses of its agents are missing');
  const losses = await listAll(async (pageToken) => {
    const request = { ...asked, kind: 'KIND_LOSS', pageToken, pageSize: PAGE_SIZE } as const;
    const { facts, nextPageToken, unreachable } = await api.call((options) => api.fleet.listFacts(request, options));
    warn(unreachable);
    return { items: facts, nextPageToken };
  });
  return losses.sort((a, b) => (a.time?.getTime() ?? 0) - (b.time?.getTime() ?? 0));
}

/** Every alert, in the order of rule, agent and entry. */
export function listAlerts(api: ControllerApi): Promise<Alert[]> {
  return listAll(async (pageToken) => {
    const request = { pageToken, pageSize: PAGE_SIZE };
    const { alerts, nextPageToken } = await api.call((options) => api.fleet.listAlerts(request, options));
    return { items: alerts, nextPageToken };
  });
}

/** The last rollout of every entry that had one. Controllers that don't answer are told on standard error. */
export function listRollouts(api: ControllerApi): Promise<RolloutStatus[]> {
  const warn = unansweredWarner('its agents are not counted');
  return listAll(async (pageToken) => {
    const request = { pageToken, pageSize: PAGE_SIZE };
    const { rollouts, nextPageToken } = await api.call((options) => api.rollouts.listRollouts(request, options));
    warn(rollouts[0]?.unreachable ?? []);
    return { items: rollouts, nextPageToken };
  });
}

/** What is set for agents, in the order of their names; those for whom nothing is are left out. */
export function listSettings(api: ControllerApi): Promise<AgentSettings[]> {
  return listAll(async (pageToken) => {
    const request = { pageToken, pageSize: PAGE_SIZE };
    const { settings, nextPageToken } = await api.call((options) => api.fleet.listAgentSettings(request, options));
    return { items: settings, nextPageToken };
  });
}

/** Each controller is told once, whatever the count of pages. */
function unansweredWarner(consequence: string): (unreachable: readonly string[]) => void {
  const told = new Set<string>();
  return (unreachable) => {
    for (const controller of unreachable.filter((name) => !told.has(name)))
      process.stderr.write(`warning: ${controller} does not answer; ${consequence}\n`);
    for (const controller of unreachable) told.add(controller);
  };
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
