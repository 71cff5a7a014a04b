import type { Alert } from '../../proto/gen/logfleet/v1/alert.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryState } from '../../proto/gen/logfleet/v1/entry_state.ts';
import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { DeepPartial, ListAgentsRequest } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { RolloutStatus } from '../../proto/gen/logfleet/v1/rollout.ts';
import { printWarning } from '../output/messages.ts';
import { type ControllerApi, isNotFound } from './client.ts';
import { listAll, PAGE_SIZE } from './pages.ts';

const CONCURRENT_GETS_MAX = 64;

/** Lists the entries whose labels match. */
export function listEntries(api: ControllerApi, filter: { labelSelector: string }): Promise<Entry[]> {
  return listAll(async (pageToken) => {
    const request = { ...filter, pageToken, pageSize: PAGE_SIZE };
    const { entries, nextPageToken } = await api.call((options) => api.entries.listEntries(request, options));
    return { items: entries, nextPageToken };
  });
}

/** Fetches entries by their names; entries that do not exist are left out. */
export async function findEntries(api: ControllerApi, names: readonly string[]): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>();
  for (let at = 0; at < names.length; at += CONCURRENT_GETS_MAX) {
    const gets = names.slice(at, at + CONCURRENT_GETS_MAX).map(async (name) => {
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

/** Lists the stored versions of an entry, newest first. */
export function listVersions(api: ControllerApi, name: string): Promise<EntryVersion[]> {
  return listAll(async (pageToken) => {
    const request = { name, pageToken, pageSize: PAGE_SIZE };
    const { versions, nextPageToken } = await api.call((options) => api.entries.listEntryVersions(request, options));
    return { items: versions, nextPageToken };
  });
}

/** Lists the agents whose labels match. Warns of controllers that do not respond. */
export function listAgents(
  api: ControllerApi,
  filter: { labelSelector: string; includeFiles: boolean } & DeepPartial<ListAgentsRequest>,
): Promise<Agent[]> {
  const warn = unreachableWarner('its agents are shown without health');
  return listAll(async (pageToken) => {
    const request = { ...filter, pageToken, pageSize: PAGE_SIZE };
    const { agents, nextPageToken, unreachable } = await api.call((options) => api.fleet.listAgents(request, options));
    warn(unreachable);
    return { items: agents, nextPageToken };
  });
}

/**
 * Lists how entries are doing across the fleet: the named ones, or all whose labels match. Warns of
 * controllers that do not respond.
 */
export function listEntryStates(
  api: ControllerApi,
  filter: { labelSelector?: string; entries?: string[] },
): Promise<EntryState[]> {
  const warn = unreachableWarner('reports of its agents are missing in the sums');
  return listAll(async (pageToken) => {
    const request = { ...filter, pageToken, pageSize: PAGE_SIZE };
    const { states, nextPageToken, unreachable } = await api.call((options) =>
      api.fleet.listEntryStates(request, options),
    );
    warn(unreachable);
    return { items: states, nextPageToken };
  });
}

/**
 * Lists the losses of the connected agents, oldest first. Warns of controllers that do not respond.
 */
export async function listLosses(
  api: ControllerApi,
  filter: { labelSelector: string; agent: string; entry: string },
): Promise<Fact[]> {
  const warn = unreachableWarner('the losses of its agents are missing');
  const losses = await listAll(async (pageToken) => {
    const request = { ...filter, kind: 'KIND_LOSS', pageToken, pageSize: PAGE_SIZE } as const;
    const { facts, nextPageToken, unreachable } = await api.call((options) => api.fleet.listFacts(request, options));
    warn(unreachable);
    return { items: facts, nextPageToken };
  });
  return losses.sort((a, b) => (a.time?.getTime() ?? 0) - (b.time?.getTime() ?? 0));
}

/** Lists all alerts, ordered by rule, agent and entry. */
export function listAlerts(api: ControllerApi): Promise<Alert[]> {
  return listAll(async (pageToken) => {
    const request = { pageToken, pageSize: PAGE_SIZE };
    const { alerts, nextPageToken } = await api.call((options) => api.fleet.listAlerts(request, options));
    return { items: alerts, nextPageToken };
  });
}

/**
 * Lists the last rollout of each entry that has had one. Warns of controllers that do not respond.
 */
export function listRollouts(api: ControllerApi): Promise<RolloutStatus[]> {
  const warn = unreachableWarner('its agents are not counted');
  return listAll(async (pageToken) => {
    const request = { pageToken, pageSize: PAGE_SIZE };
    const { rollouts, nextPageToken } = await api.call((options) => api.rollouts.listRollouts(request, options));
    warn(rollouts[0]?.unreachable ?? []);
    return { items: rollouts, nextPageToken };
  });
}

/**
 * Returns a function that warns of each unreachable controller once, whatever the number of pages.
 */
function unreachableWarner(consequence: string): (unreachable: readonly string[]) => void {
  const reported = new Set<string>();
  return (unreachable) => {
    for (const controller of unreachable) {
      if (!reported.has(controller)) printWarning(`${controller} does not respond; ${consequence}`);
      reported.add(controller);
    }
  };
}
