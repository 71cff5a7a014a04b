import type { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import { EntryState, type EntryState_Furthest } from '../proto/gen/logfleet/v1/entry_state.ts';
import { count, fields, size, span } from './format.ts';
import { entryKind, type Kind } from './output.ts';

/** An entry, and how it is doing across the fleet. */
export interface EntryWithState {
  entry: Entry;
  state: EntryState;
}

/** For wide tables. */
export const entryStateKind: Kind<EntryWithState> = {
  ...entryKind,
  id: ({ entry }) => entryKind.id(entry),
  document: ({ entry }) => entryKind.document(entry),
  columns: entryKind.columns.map(({ title, value }) => ({ title, value: ({ entry }) => value(entry) })),
  wideColumns: [
    { title: 'AGENTS', value: ({ state }) => agents(state) },
    { title: 'FILES', value: ({ state }) => files(state) },
    { title: 'LAG', value: ({ state }) => size(state.lagBytes) },
    { title: 'BYTES/S', value: ({ state }) => size(state.bytesPerSecond) },
    { title: 'LOST', value: ({ state }) => size(state.lostBytes) },
    { title: 'OLDEST-UNREAD', value: ({ state }) => at(state.oldestUnread) },
    { title: 'LOSS-FORECAST', value: ({ state }) => forecast(state) },
    ...entryKind.wideColumns.map(({ title, value }) => ({ title, value: ({ entry }: EntryWithState) => value(entry) })),
  ],
};

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
    ['Files', files(state)],
    ['Lag', size(state.lagBytes)],
    ['Oldest unread line', at(state.oldestUnread)],
    ['Loss forecast', forecast(state)],
    ['Rate', `${size(state.bytesPerSecond)}/s`],
    ['Lost', `${size(state.lostBytes)} in ${count(state.losses)} losses`],
    ['Filtered', `${count(state.filteredLines)} lines`],
    ['Sealed', `${count(state.sealedFiles)} files`],
    ...(unreachable.length > 0 ? ([['Missing', `what ${unreachable.join(', ')} knows`]] as const) : []),
  ]);
}

/** Entries with their states, in their own order. */
export function withStates(entries: readonly Entry[], states: readonly EntryState[]): EntryWithState[] {
  const byName = new Map(states.map((state) => [state.entry, state]));
  return entries.map((entry) => ({ entry, state: byName.get(entry.name) ?? EntryState.create({ entry: entry.name }) }));
}

/** `3/4`, connected of those that match; or `3/4 (1 failed)`. */
function agents({ connectedAgents, matchingAgents, failedAgents }: EntryState): string {
  const text = `${connectedAgents}/${matchingAgents}`;
  return failedAgents > 0 ? `${text} (${failedAgents} failed)` : text;
}

function files({ files: all, failedFiles }: EntryState): string {
  return failedFiles > 0n ? `${count(all)} (${count(failedFiles)} failing)` : count(all);
}

function forecast({ lossForecastFiles, lossForecast }: EntryState): string {
  return lossForecast ? `${count(lossForecastFiles)} files, first in ${at(lossForecast)}` : '-';
}

/** `4 s, on web-17 /var/log/x` */
function at(furthest: EntryState_Furthest | undefined): string {
  if (!furthest) return '-';
  const { seconds, agent, path } = furthest;
  return `${span(seconds)}, on ${agent.replace(/^agents\//, '')} ${path}`.trimEnd();
}
