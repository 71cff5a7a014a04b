import type { Agent, Drain, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { agentName, shortEntryName } from '../../proto/rules/names.ts';
import { formatByteRate, formatByteSize, formatDuration } from '../../runtime/units.ts';
import { age, count, word } from '../output/format.ts';
import { type Column, fields, Table } from '../output/table.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { getSettings } from '../rpc/settings.ts';
import {
  agentStatus,
  clockSkew,
  cores,
  descriptors,
  fileCount,
  labelsText,
  liveHealth,
  lostText,
  stateText,
} from './agent-cells.ts';
import { settingsText } from './settings.ts';

/** What `describe agent` prints: the agent, its entries and its files. */
export async function describeAgent(api: ControllerApi, id: string): Promise<string> {
  const agent = await api.call((options) => api.fleet.getAgent({ name: agentName(id) }, options));
  const settings = settingsText(await getSettings(api, id));
  const { identity, health } = agent;
  const live = liveHealth(agent);
  const head = fields([
    ['Name', id],
    ['Status', agentStatus(agent)],
    ['Host', `${identity?.host} (${identity?.os}) ${identity?.addresses.join(', ')}`],
    ['Version', identity?.version ?? '-'],
    ['Labels', identity ? labelsText(selectorLabels(identity)) : '-'],
    ['Controller', agent.controller],
    ['Connected', `${agent.connectTime?.toISOString()} (${age(agent.connectTime)} ago)`],
    ['Last seen', `${age(agent.lastSeenTime)} ago`],
    ['Lag', health ? `${formatByteSize(health.lagBytes)}, ${formatDuration(health.lagSeconds)}` : '-'],
    ['Rate', live ? `${count(live.linesPerSecond)} lines/s, ${formatByteRate(live.bytesPerSecond)}` : '-'],
    ['Delivered', health ? `${count(health.deliveredLines)} lines, ${formatByteSize(health.deliveredBytes)}` : '-'],
    ['Lost', health ? formatByteSize(health.lostBytes) : '-'],
    ['Processor', live ? `${cores(live)} cores, main thread ${percent(live.eventLoopUtilization)} busy` : '-'],
    ['Memory', live ? formatByteSize(live.residentBytes) : '-'],
    ['Open', live ? `${descriptors(live)} descriptors, ${formatByteSize(live.pinnedBytes)} of deleted files` : '-'],
    ['Clock', health ? `${clockSkew(agent)} from its controller's` : '-'],
    ...(settings === '' ? [] : ([['Settings', settings]] as const)),
    ...(health?.drain ? ([['Drain', drainText(health.drain)]] as const) : []),
    ['Error', health?.error || agent.error || '-'],
  ]);
  return `${head}${describeEntries(agent)}${describeFiles(agent)}`;
}

function describeEntries({ entries }: Agent): string {
  if (entries.length === 0) return 'Entries:  none\n';
  const table = new Table<(typeof entries)[number]>([
    { title: '  NAME', value: ({ entry }) => `  ${shortEntryName(entry)}` },
    { title: 'STATE', value: stateText },
    { title: 'REVISION', value: ({ etag }) => etagRevision(etag) },
    { title: 'FILES', value: fileCount },
    { title: 'LOST', value: lostText },
    { title: 'FILTERED', value: ({ filteredLines }) => count(filteredLines) },
    { title: 'SEALED', value: ({ sealedFiles }) => count(sealedFiles) },
    { title: 'SCAN', value: scanText },
    { title: 'ERROR', value: ({ error }) => error || '-' },
  ]);
  return `Entries:\n${table.render(entries)}`;
}

function describeFiles({ files }: Agent): string {
  if (files.length === 0) return 'Files:    none\n';
  const isReplaying = files.some(({ replayId }) => replayId !== '');
  const table = new Table<FileStatus>([
    { title: '  PATH', value: ({ path }) => `  ${path}` },
    { title: 'ENTRY', value: ({ entry }) => shortEntryName(entry) },
    { title: 'STATE', value: fileState },
    { title: 'SINCE', value: ({ history }) => age(history.at(-1)?.time) },
    { title: 'POSITION', value: ({ position }) => String(position) },
    { title: 'SIZE', value: (file) => String(file.size) },
    { title: 'LAG', value: ({ lagBytes }) => formatByteSize(lagBytes) },
    { title: 'BEHIND', value: ({ lagSeconds }) => formatDuration(lagSeconds) },
    {
      title: 'LOSS-FORECAST',
      value: ({ lossForecastSeconds: seconds }) => (seconds > 0 ? `in ${formatDuration(seconds)}` : '-'),
    },
    { title: 'RATE', value: ({ bytesPerSecond }) => formatByteRate(bytesPerSecond) },
    ...(isReplaying ? [replayColumn] : []),
    { title: 'LAST-LINE', value: ({ lastProgressTime }) => age(lastProgressTime) },
    { title: 'ERROR', value: ({ lastError }) => lastError || '-' },
  ]);
  return `Files:\n${table.render(files)}${describeHistory(files)}`;
}

/** The states of the files that have had more than one since the agent opened them. */
function describeHistory(files: readonly FileStatus[]): string {
  const changed = files.filter(({ history }) => history.length > 1);
  if (changed.length === 0) return '';
  const changes = changed.flatMap(({ path, history }) =>
    history.map((change, at) => ({ path: at === 0 ? path : '', change })),
  );
  const table = new Table<(typeof changes)[number]>([
    { title: '  PATH', value: ({ path }) => `  ${path}` },
    { title: 'SINCE', value: ({ change }) => change.time?.toISOString() ?? '-' },
    { title: 'STATE', value: ({ change }) => change.state },
    { title: 'REASON', value: ({ change }) => change.reason },
  ]);
  return `File states:\n${table.render(changes)}`;
}

/** `Reading`; `Skipped: gzip archive`. */
function fileState({ state, history }: FileStatus): string {
  return state === 'STATE_SKIPPED' ? `${word(state)}: ${history.at(-1)?.reason}` : word(state);
}

/** Shown while a rewind re-sends lines. */
const replayColumn: Column<FileStatus> = {
  title: 'REPLAY',
  value: ({ replayId, replayUntil }) => (replayId === '' ? '-' : `${replayId} to ${replayUntil}`),
};

function drainText({ state, leftBytes, waitingFor }: Drain): string {
  return `${word(state)}, ${formatByteSize(leftBytes)} left${waitingFor === '' ? '' : `, waits for ${waitingFor}`}`;
}

/** How long the last scan took; while one takes long: since when it has been running. */
function scanText({ lastScanSeconds, runningScanSeconds }: EntryStatus): string {
  if (runningScanSeconds > 0) return `running for ${formatDuration(runningScanSeconds)}`;
  return lastScanSeconds > 0 ? formatDuration(lastScanSeconds) : '<1s';
}

/** 0.12 → `12 %` */
function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
