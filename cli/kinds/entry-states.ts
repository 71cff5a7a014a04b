import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { EntryState, type EntryState_Furthest } from '../../proto/gen/logfleet/v1/entry_state.ts';
import { shortAgentName } from '../../proto/rules/names.ts';
import { formatByteRate, formatByteSize, formatDuration } from '../../runtime/units.ts';
import { count } from '../output/format.ts';
import { type Column, fields } from '../output/table.ts';
import { entryView } from './entry-view.ts';

/** An entry and how it is doing across the fleet. */
interface EntryWithState {
  entry: Entry;
  state: EntryState;
}

/** The columns of `get entries -o wide`. */
export const wideColumns: readonly Column<EntryWithState>[] = [
  ...entryView.columns.map(forEntry),
  { title: 'AGENTS', value: ({ state }) => agentsText(state) },
  { title: 'FILES', value: ({ state }) => filesText(state) },
  { title: 'LAG', value: ({ state }) => formatByteSize(state.lagBytes) },
  { title: 'BYTES/S', value: ({ state }) => formatByteSize(state.bytesPerSecond) },
  { title: 'LOST', value: ({ state }) => formatByteSize(state.lostBytes) },
  { title: 'OLDEST-UNREAD', value: ({ state }) => furthestText(state.oldestUnread) },
  { title: 'LOSS-FORECAST', value: ({ state }) => forecastText(state) },
  ...entryView.wideColumns.map(forEntry),
];

/** Lines for `describe entry`. */
export function describeState(state: EntryState): string {
  const { matchingAgents, connectedAgents, appliedAgents, failedAgents, pausedAgents, unreachable } = state;
  const counts = [
    `${count(matchingAgents)} matching`,
    `${count(connectedAgents)} connected`,
    `${count(appliedAgents)} applied`,
    `${count(failedAgents)} failed`,
    `${count(pausedAgents)} paused`,
  ];
  return fields([
    ['Fleet', counts.join(', ')],
    ['Files', filesText(state)],
    ['Lag', formatByteSize(state.lagBytes)],
    ['Oldest unread line', furthestText(state.oldestUnread)],
    ['Loss forecast', forecastText(state)],
    ['Rate', formatByteRate(state.bytesPerSecond)],
    ['Lost', `${formatByteSize(state.lostBytes)} in ${count(state.losses)} losses`],
    ['Filtered', `${count(state.filteredLines)} lines`],
    ['Sealed', `${count(state.sealedFiles)} files`],
    ...(unreachable.length > 0
      ? ([['Missing', `agents of ${unreachable.join(', ')}, which do not respond`]] as const)
      : []),
  ]);
}

/** Adds to each entry its state. An entry without a state has not been reported by any agent. */
export function withStates(entries: readonly Entry[], states: readonly EntryState[]): EntryWithState[] {
  const byName = new Map(states.map((state) => [state.entry, state]));
  return entries.map((entry) => ({ entry, state: byName.get(entry.name) ?? EntryState.create({ entry: entry.name }) }));
}

function forEntry({ title, value }: Column<Entry>): Column<EntryWithState> {
  return { title, value: ({ entry }) => value(entry) };
}

/** Connected of matching agents: `3/4`, or `3/4 (1 failed)`. */
function agentsText({ connectedAgents, matchingAgents, failedAgents }: EntryState): string {
  const text = `${connectedAgents}/${matchingAgents}`;
  return failedAgents > 0 ? `${text} (${failedAgents} failed)` : text;
}

function filesText({ files, failedFiles }: EntryState): string {
  return failedFiles > 0n ? `${count(files)} (${count(failedFiles)} failing)` : count(files);
}

function forecastText({ lossForecastFiles, lossForecast }: EntryState): string {
  return lossForecast ? `${count(lossForecastFiles)} files, first in ${furthestText(lossForecast)}` : '-';
}

/** `4s, on web-17 /var/log/x` */
function furthestText(furthest: EntryState_Furthest | undefined): string {
  if (!furthest) return '-';
  const { seconds, agent, path } = furthest;
  return `${formatDuration(seconds)}, on ${shortAgentName(agent)} ${path}`.trimEnd();
}
