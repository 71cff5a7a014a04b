import type { Entry, Filter, Multiline } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Agent, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { agentName, entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { age, count, fields, size, Table, word } from '../format.ts';
import { agentStatus, fileCount, labels } from '../output.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents } from '../rpc/lists.ts';
import { forEachName, parseTargets } from '../target.ts';

/** `logfleet describe entry|agent NAME` */
export async function describe(
  api: ControllerApi,
  words: readonly string[],
  write: (text: string) => void,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  if (kind === 'loss' || kind === 'alert') {
    const plural = kind === 'loss' ? 'losses' : 'alerts';
    throw new CliError(exitCodes.usage, `${plural} are listed, not described: logfleet get ${plural}`);
  }
  if (names.length === 0) throw new CliError(exitCodes.usage, `name the ${kind} to describe`);
  let between = '';
  await forEachName(names, async (name) => {
    write(between + (kind === 'entry' ? await describeEntry(api, name) : await describeAgent(api, name)));
    between = '\n';
  });
}

async function describeEntry(api: ControllerApi, name: string): Promise<string> {
  const entry = await api.call((options) => api.entries.getEntry({ name: entryName(name) }, options));
  const agents = await listAgents(api, { labelSelector: '', includeFiles: false });
  const rows = agents.flatMap((agent) =>
    agent.entries.filter((status) => status.entry === entry.name).map((status) => ({ agent, status })),
  );
  const table = new Table<(typeof rows)[number]>([
    { title: '  AGENT', value: ({ agent }) => `  ${agent.identity?.agentId}` },
    { title: 'STATE', value: ({ status }) => word(status.state) },
    {
      title: 'REVISION',
      value: ({ status }) => (status.etag === entry.etag ? `${status.etag} (current)` : status.etag),
    },
    { title: 'FILES', value: ({ status }) => fileCount(status) },
    { title: 'LAG', value: ({ status }) => size(status.lagBytes) },
    { title: 'LOST', value: ({ status }) => lost(status) },
    { title: 'FILTERED', value: ({ status }) => count(status.filteredLines) },
    { title: 'SEALED', value: ({ status }) => count(status.sealedFiles) },
    { title: 'ERROR', value: ({ status }) => status.error || '-' },
  ]);
  return `${describeEntryFields(entry)}Agents:${rows.length === 0 ? '  none has it\n' : `\n${table.render(rows)}`}`;
}

function describeEntryFields(entry: Entry): string {
  const { topicStatus: status } = entry;
  return fields([
    ['Name', entry.name.replace(/^entries\//, '')],
    ['Revision', entry.etag],
    ['Paths', entry.paths.join('\n             ')],
    ...(entry.exclude.length > 0 ? ([['Exclude', entry.exclude.join(', ')]] as const) : []),
    [
      'Topic',
      `${entry.topic} (${[word(status?.state ?? ''), status?.message].filter(Boolean).join(': ')}${status?.partitions ? `, ${status.partitions} partitions` : ''})`,
    ],
    ['Selector', entry.selector || '<all agents>'],
    ['Start', entry.start],
    ['Compression', entry.compression],
    ['Headers', entry.headers],
    ['Max line', `${size(entry.maxLineBytes)}, ${entry.overLong} above`],
    ['Encoding', `${entry.encoding}, lines end in ${entry.terminator}`],
    ...(entry.multiline ? ([['Multiline', multiline(entry.multiline)]] as const) : []),
    ...(entry.filter ? ([['Filter', filter(entry.filter)]] as const) : []),
    ['Paused', entry.paused ? 'yes' : 'no'],
    ['Owner', entry.owner || '-'],
    ['Description', entry.description || '-'],
    ['Labels', labels(entry.labels)],
    ['Created', `${entry.createTime?.toISOString()} (${age(entry.createTime)} ago)`],
    ['Updated', `${entry.updateTime?.toISOString()} (${age(entry.updateTime)} ago)`],
  ]);
}

function multiline({ start, continuation, timeoutMs, maxLines }: Multiline): string {
  const pattern = start === '' ? `continuation /${continuation}/` : `start /${start}/`;
  return `${pattern}, up to ${maxLines} lines, ${timeoutMs} ms`;
}

function filter({ include, exclude, jsonField }: Filter): string {
  const patterns = [include && `include /${include}/`, exclude && `exclude /${exclude}/`].filter(Boolean).join(', ');
  return jsonField === '' ? patterns : `${patterns} in the JSON field ${jsonField}`;
}

async function describeAgent(api: ControllerApi, name: string): Promise<string> {
  const agent = await api.call((options) => api.fleet.getAgent({ name: agentName(name) }, options));
  const { identity, health } = agent;
  const head = fields([
    ['Name', name],
    ['Status', agentStatus(agent)],
    ['Host', `${identity?.host} (${identity?.os}) ${identity?.addresses.join(', ')}`],
    ['Version', identity?.version ?? '-'],
    ['Labels', identity ? labels(selectorLabels(identity)) : '-'],
    ['Controller', agent.controller],
    ['Connected', `${agent.connectTime?.toISOString()} (${age(agent.connectTime)} ago)`],
    ['Last seen', `${age(agent.lastSeenTime)} ago`],
    ['Lag', health ? size(health.lagBytes) : '-'],
    ['Rate', health ? `${count(health.linesPerSecond)} lines/s, ${size(health.bytesPerSecond)}/s` : '-'],
    ['Delivered', health ? `${count(health.deliveredLines)} lines, ${size(health.deliveredBytes)}` : '-'],
    ['Lost', health ? size(health.lostBytes) : '-'],
    ['Memory', health ? size(health.residentBytes) : '-'],
    ['Error', health?.error || agent.error || '-'],
  ]);
  return `${head}${describeEntries(agent)}${describeFiles(agent)}`;
}

function describeEntries({ entries }: Agent): string {
  if (entries.length === 0) return 'Entries:  none\n';
  const table = new Table<(typeof entries)[number]>([
    { title: '  NAME', value: ({ entry }) => `  ${entry.replace(/^entries\//, '')}` },
    { title: 'STATE', value: ({ state }) => word(state) },
    { title: 'REVISION', value: ({ etag }) => etag },
    { title: 'FILES', value: fileCount },
    { title: 'LOST', value: lost },
    { title: 'FILTERED', value: ({ filteredLines }) => count(filteredLines) },
    { title: 'SEALED', value: ({ sealedFiles }) => count(sealedFiles) },
    { title: 'ERROR', value: ({ error }) => error || '-' },
  ]);
  return `Entries:\n${table.render(entries)}`;
}

function describeFiles({ files }: Agent): string {
  if (files.length === 0) return 'Files:    none\n';
  const table = new Table<FileStatus>([
    { title: '  PATH', value: ({ path }) => `  ${path}` },
    { title: 'ENTRY', value: ({ entry }) => entry.replace(/^entries\//, '') },
    { title: 'STATE', value: ({ state }) => word(state) },
    { title: 'POSITION', value: ({ position }) => String(position) },
    { title: 'SIZE', value: (file) => String(file.size) },
    { title: 'LAG', value: ({ lagBytes }) => size(lagBytes) },
    { title: 'RATE', value: ({ bytesPerSecond }) => `${size(bytesPerSecond)}/s` },
    { title: 'LAST-LINE', value: ({ lastProgressTime }) => age(lastProgressTime) },
    { title: 'ERROR', value: ({ lastError }) => lastError || '-' },
  ]);
  return `Files:\n${table.render(files)}`;
}

/** `0 B`, or `1.2 KiB in 3`, losses that is. */
function lost({ lostBytes, losses }: EntryStatus): string {
  return losses > 0n ? `${size(lostBytes)} in ${count(losses)}` : size(lostBytes);
}
