import type { Entry, Filter, Multiline } from '../../proto/gen/logfleet/v1/entry.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { entryName, shortEntryName } from '../../proto/rules/names.ts';
import { formatByteSize, formatDuration } from '../../runtime/units.ts';
import { age, count, word } from '../output/format.ts';
import { fields, Table } from '../output/table.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents } from '../rpc/lists.ts';
import { fileCount, labelsText, lostText, stateText } from './agent-cells.ts';
import { describeState } from './entry-states.ts';
import { rateText } from './settings.ts';

/**
 * What `describe entry` prints: the entry, its state across the fleet, and each agent that has it.
 */
export async function describeEntry(api: ControllerApi, id: string): Promise<string> {
  const entry = await api.call((options) => api.entries.getEntry({ name: entryName(id) }, options));
  const state = await api.call((options) => api.fleet.getEntryState({ name: entry.name }, options));
  return `${describeFields(entry)}${describeState(state)}${await describeAgents(api, entry)}`;
}

/** The agent that is furthest behind comes first. */
async function describeAgents(api: ControllerApi, { name, etag }: Entry): Promise<string> {
  const request = { labelSelector: '', includeFiles: false, entry: name, orderBy: 'lag_seconds desc' };
  const agents = await listAgents(api, request);
  const rows = agents.flatMap((agent) =>
    agent.entries.filter(({ entry }) => entry === name).map((status) => ({ agent, status })),
  );
  if (rows.length === 0) return 'Agents:  none has it\n';
  const table = new Table<(typeof rows)[number]>([
    { title: '  AGENT', value: ({ agent }) => `  ${agent.identity?.agentId}` },
    { title: 'STATE', value: ({ status }) => stateText(status) },
    { title: 'REVISION', value: ({ status }) => revisionText(status.etag, etag) },
    { title: 'FILES', value: ({ status }) => fileCount(status) },
    { title: 'LAG', value: ({ status }) => formatByteSize(status.lagBytes) },
    { title: 'BEHIND', value: ({ status }) => formatDuration(status.lagSeconds) },
    { title: 'LOST', value: ({ status }) => lostText(status) },
    { title: 'FILTERED', value: ({ status }) => count(status.filteredLines) },
    { title: 'SEALED', value: ({ status }) => count(status.sealedFiles) },
    { title: 'ERROR', value: ({ status }) => status.error || '-' },
  ]);
  return `Agents:\n${table.render(rows)}`;
}

function describeFields(entry: Entry): string {
  return fields([
    ['Name', shortEntryName(entry.name)],
    ['Revision', etagRevision(entry.etag)],
    ['Paths', entry.paths.join('\n             ')],
    ...(entry.exclude.length > 0 ? ([['Exclude', entry.exclude.join(', ')]] as const) : []),
    ...(entry.followLinks === false ? ([['Links', 'not followed']] as const) : []),
    ['Topic', `${entry.topic} (${topicText(entry)})`],
    ['Selector', entry.selector || '<all agents>'],
    ['Start', entry.start],
    ['Compression', entry.compression],
    ['Headers', entry.headers],
    ['Max line', `${formatByteSize(entry.maxLineBytes)}, ${entry.overLong} above`],
    ['Encoding', `${entry.encoding}, lines end in ${entry.terminator}`],
    ...(entry.multiline ? ([['Multiline', multilineText(entry.multiline)]] as const) : []),
    ...(entry.filter ? ([['Filter', filterText(entry.filter)]] as const) : []),
    ['Paused', entry.paused ? 'yes' : 'no'],
    ...(entry.maxBytesPerSecond > 0n ? ([['Limit', `${rateText(entry.maxBytesPerSecond)} per agent`]] as const) : []),
    ['Owner', entry.owner || '-'],
    ['Description', entry.description || '-'],
    ['Labels', labelsText(entry.labels)],
    ['Created', timeText(entry.createTime)],
    ['Updated', timeText(entry.updateTime)],
  ]);
}

/** `Ready, 12 partitions` */
function topicText({ topicStatus: status }: Entry): string {
  const state = [word(status?.state ?? ''), status?.message].filter(Boolean).join(': ');
  return `${state}${status?.partitions ? `, ${status.partitions} partitions` : ''}`;
}

function multilineText({ start, continuation, timeoutMs, maxLines }: Multiline): string {
  const pattern = start === '' ? `continuation /${continuation}/` : `start /${start}/`;
  return `${pattern}, up to ${maxLines} lines, ${timeoutMs} ms`;
}

function filterText({ include, exclude, jsonField }: Filter): string {
  const patterns = [include && `include /${include}/`, exclude && `exclude /${exclude}/`].filter(Boolean).join(', ');
  return jsonField === '' ? patterns : `${patterns} in the JSON field ${jsonField}`;
}

function timeText(time: Date | undefined): string {
  return `${time?.toISOString()} (${age(time)} ago)`;
}

function revisionText(etag: string, current: string): string {
  return etag === current ? `${etagRevision(etag)} (current)` : etagRevision(etag);
}
