import { EntryState, type EntryState_Furthest } from '../../proto/gen/logfleet/v1/entry_state.ts';
import type { ListEntryStatesRequest, ListEntryStatesResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentName, entryId } from '../../proto/rules/names.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import { invalidArgument } from '../errors/api-error.ts';
import type { EntrySums, FleetSums, FurthestAgent } from '../fleet/entry-sums.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { listing } from './listing.ts';

const ENTRIES_MAX = 1_000;

/** How entries are doing across the fleet: each controller sums up what its own agents report, and the one that is asked adds it up. */
export class EntryStates {
  readonly #store: EntryStore;
  readonly #sums: FleetSums;
  readonly #peers: Peers;

  constructor(store: EntryStore, sums: FleetSums, peers: Peers) {
    this.#store = store;
    this.#sums = sums;
    this.#peers = peers;
  }

  /** FleetService.ListEntryStates */
  async list(request: ListEntryStatesRequest): Promise<ListEntryStatesResponse> {
    const chosen = checkedNames(request.entries);
    const { selector, page: pageOf } = listing({ ...request, filter: request.entries.join(' ') });
    const wanted = this.#store
      .all()
      .flatMap(({ entry: { name, labels } }) =>
        (chosen.size === 0 || chosen.has(name)) && selector.matches(labels) ? [{ name }] : [],
      );
    // Names of 63 characters, and a path for two of them, are far from what an answer may have.
    const { page, nextPageToken } = pageOf(wanted, () => 1);
    const names = page.map(({ name }) => name);
    if (request.localOnly) return { states: this.#own(names, true), nextPageToken, unreachable: [] };
    return { ...(await this.#ofAll(names)), nextPageToken };
  }

  /** FleetService.GetEntryState */
  async get(name: string): Promise<EntryState> {
    const { states, unreachable } = await this.#ofAll([this.#store.get(name).name]);
    return { ...(states[0] as EntryState), unreachable };
  }

  async #ofAll(names: string[]): Promise<{ states: EntryState[]; unreachable: string[] }> {
    const unreachable: string[] = [];
    const request = { entries: names, pageSize: ENTRIES_MAX, localOnly: true };
    const asked = this.#peers.all().map(async ({ id, client }) => {
      try {
        return (await client.listEntryStates(request, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) })).states;
      } catch {
        unreachable.push(`controllers/${id}`);
        return [];
      }
    });
    const told = names.length === 0 ? [] : (await Promise.all(asked)).flat();
    const states = new Map(this.#own(names, false).map((state) => [state.entry, state]));
    for (const state of told) {
      const own = states.get(state.entry);
      if (own) states.set(state.entry, added(own, state));
    }
    return { states: [...states.values()].map((state) => ({ ...state, unreachable })), unreachable };
  }

  /** What this controller's agents report; `isPart`: another one counts the agents that are connected nowhere. */
  #own(names: readonly string[], isPart: boolean): EntryState[] {
    const sums = this.#sums.byEntry();
    return names.map((name) => stateOf(name, sums.get(name), isPart));
  }
}

function stateOf(entry: string, sums: EntrySums | undefined, isPart: boolean): EntryState {
  if (!sums) return EntryState.create({ entry });
  return EntryState.create({
    ...{ entry, files: BigInt(sums.files), failedFiles: BigInt(sums.failedFiles) },
    matchingAgents: sums.connected + (isPart ? 0 : sums.absent),
    connectedAgents: sums.connected,
    ...{ appliedAgents: sums.applied, failedAgents: sums.failed, pausedAgents: sums.paused },
    ...{ lagBytes: whole(sums.lagBytes), bytesPerSecond: sums.bytesPerSecond },
    ...{ lostBytes: whole(sums.lostBytes), losses: whole(sums.losses) },
    ...{ filteredLines: whole(sums.filteredLines), sealedFiles: whole(sums.sealedFiles) },
    lossForecastFiles: BigInt(sums.forecastFiles),
    oldestUnread: furthest(entry, sums.oldest, 'lagSeconds'),
    lossForecast: furthest(entry, sums.forecast, 'lossForecastSeconds'),
  });
}

/** Which file it is, its agent's files tell: the one that is as far as the agent says of the entry. */
function furthest(
  entry: string,
  at: FurthestAgent | undefined,
  field: 'lagSeconds' | 'lossForecastSeconds',
): EntryState_Furthest | undefined {
  if (!at) return undefined;
  const isSoonest = field === 'lossForecastSeconds';
  const path = at.session.furthestFile(entry, (file) => (isSoonest && file[field] > 0 ? 1 / file[field] : file[field]));
  return { seconds: at.seconds, agent: agentName(at.session.identity.agentId), path };
}

/** What two controllers tell of one entry. */
function added(a: EntryState, b: EntryState): EntryState {
  return {
    ...a,
    matchingAgents: a.matchingAgents + b.matchingAgents,
    connectedAgents: a.connectedAgents + b.connectedAgents,
    appliedAgents: a.appliedAgents + b.appliedAgents,
    failedAgents: a.failedAgents + b.failedAgents,
    pausedAgents: a.pausedAgents + b.pausedAgents,
    files: a.files + b.files,
    failedFiles: a.failedFiles + b.failedFiles,
    lagBytes: a.lagBytes + b.lagBytes,
    bytesPerSecond: a.bytesPerSecond + b.bytesPerSecond,
    lostBytes: a.lostBytes + b.lostBytes,
    losses: a.losses + b.losses,
    filteredLines: a.filteredLines + b.filteredLines,
    sealedFiles: a.sealedFiles + b.sealedFiles,
    lossForecastFiles: a.lossForecastFiles + b.lossForecastFiles,
    oldestUnread: (a.oldestUnread?.seconds ?? 0) >= (b.oldestUnread?.seconds ?? 0) ? a.oldestUnread : b.oldestUnread,
    lossForecast: soonest(a.lossForecast, b.lossForecast),
  };
}

function soonest(a: EntryState_Furthest | undefined, b: EntryState_Furthest | undefined) {
  return a && b ? (a.seconds <= b.seconds ? a : b) : (a ?? b);
}

/** Sums of what agents report, which may be whatever they like. */
function whole(sum: number): bigint {
  return BigInt(Math.min(Math.max(Math.trunc(sum), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER));
}

function checkedNames(entries: readonly string[]): ReadonlySet<string> {
  const wrong = entries.filter((name) => !entryId(name));
  const violations = wrong.map((name) => ({
    field: 'entries',
    description: `${JSON.stringify(name)} is not an entry's name: entries/NAME`,
  }));
  if (entries.length > ENTRIES_MAX)
    violations.push({ field: 'entries', description: `${entries.length} are more than ${ENTRIES_MAX}` });
  if (violations.length > 0) throw invalidArgument(violations);
  return new Set(entries);
}
