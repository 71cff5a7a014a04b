import { EntryState, type EntryState_Furthest } from '../../proto/gen/logfleet/v1/entry_state.ts';
import type { ListEntryStatesRequest, ListEntryStatesResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentName, controllerName, entryId } from '../../proto/rules/names.ts';
import type { EntryView } from '../entries/entry-view.ts';
import { invalidArgument } from '../errors/api-error.ts';
import type { EntrySums, ExtremeAgent, FleetSums } from '../fleet/entry-sums.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { listing } from './listing.ts';

const ENTRIES_MAX = 1_000;

/**
 * The calls about the state of entries across the fleet. Each controller sums up what its own
 * agents report. The controller that is called adds up the sums.
 */
export class EntryStateCalls {
  readonly #entries: EntryView;
  readonly #sums: FleetSums;
  readonly #peers: Peers;

  constructor(entries: EntryView, sums: FleetSums, peers: Peers) {
    this.#entries = entries;
    this.#sums = sums;
    this.#peers = peers;
  }

  /** FleetService.ListEntryStates */
  async list(request: ListEntryStatesRequest): Promise<ListEntryStatesResponse> {
    const chosen = parseNames(request.entries);
    const { selector, page: pageOf } = listing({ ...request, filter: request.entries.join(' ') });
    const wanted = this.#entries
      .all()
      .flatMap(({ entry: { name, labels } }) =>
        (chosen.size === 0 || chosen.has(name)) && selector.matches(labels) ? [{ name }] : [],
      );
    // A page of states is far smaller than a response may be: it needs no limit in bytes.
    const { page, nextPageToken } = pageOf(wanted, () => 1);
    const names = page.map(({ name }) => name);
    if (request.localOnly) return { states: this.#localStates(names, true), nextPageToken, unreachable: [] };
    return { ...(await this.#fleetStates(names)), nextPageToken };
  }

  /** FleetService.GetEntryState */
  async get(name: string): Promise<EntryState> {
    const { states, unreachable } = await this.#fleetStates([this.#entries.get(name).name]);
    return { ...(states[0] as EntryState), unreachable };
  }

  async #fleetStates(names: string[]): Promise<{ states: EntryState[]; unreachable: string[] }> {
    const unreachable: string[] = [];
    const request = { entries: names, pageSize: ENTRIES_MAX, localOnly: true };
    const calls = this.#peers.all().map(async ({ id, fleet }) => {
      try {
        return (await fleet.listEntryStates(request, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) })).states;
      } catch {
        unreachable.push(controllerName(id));
        return [];
      }
    });
    const responses = names.length === 0 ? [] : (await Promise.all(calls)).flat();
    const states = new Map(this.#localStates(names, false).map((state) => [state.entry, state]));
    for (const state of responses) {
      const own = states.get(state.entry);
      if (own) states.set(state.entry, add(own, state));
    }
    return { states: [...states.values()].map((state) => ({ ...state, unreachable })), unreachable };
  }

  /**
   * The states of the agents connected here. `isPart`: another controller counts the disconnected
   * agents.
   */
  #localStates(names: readonly string[], isPart: boolean): EntryState[] {
    const sums = this.#sums.byEntry();
    return names.map((name) => toEntryState(name, sums.get(name), isPart));
  }
}

function toEntryState(entry: string, sums: EntrySums | undefined, isPart: boolean): EntryState {
  if (!sums) return EntryState.create({ entry });
  return EntryState.create({
    ...{ entry, files: BigInt(sums.files), failedFiles: BigInt(sums.failedFiles) },
    matchingAgents: sums.connected + (isPart ? 0 : sums.disconnected),
    connectedAgents: sums.connected,
    ...{ appliedAgents: sums.applied, failedAgents: sums.failed, pausedAgents: sums.paused },
    ...{ lagBytes: toInteger(sums.lagBytes), bytesPerSecond: sums.bytesPerSecond },
    ...{ lostBytes: toInteger(sums.lostBytes), losses: toInteger(sums.losses) },
    ...{ filteredLines: toInteger(sums.filteredLines), sealedFiles: toInteger(sums.sealedFiles) },
    lossForecastFiles: BigInt(sums.forecastFiles),
    oldestUnread: findFile(entry, sums.oldest, 'lagSeconds'),
    lossForecast: findFile(entry, sums.forecast, 'lossForecastSeconds'),
  });
}

/** Adds the file that causes the extreme value. */
function findFile(
  entry: string,
  extreme: ExtremeAgent | undefined,
  field: 'lagSeconds' | 'lossForecastSeconds',
): EntryState_Furthest | undefined {
  if (!extreme) return undefined;
  const isSoonest = field === 'lossForecastSeconds';
  const { seconds, session } = extreme;
  const path = session.reported.mostUrgentFile(entry, (file) =>
    isSoonest && file[field] > 0 ? 1 / file[field] : file[field],
  );
  return { seconds, agent: agentName(session.agentId), path };
}

/** Adds up the states of one entry at two controllers. */
function add(a: EntryState, b: EntryState): EntryState {
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

/** Reports are untrusted: a sum may be fractional or out of range. */
function toInteger(sum: number): bigint {
  return BigInt(Math.min(Math.max(Math.trunc(sum), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER));
}

function parseNames(entries: readonly string[]): ReadonlySet<string> {
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
