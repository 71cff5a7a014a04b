import { stringify } from 'yaml';
import { Alert } from '../proto/gen/logfleet/v1/alert.ts';
import type { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import { Fact, type Loss } from '../proto/gen/logfleet/v1/fact.ts';
import { Agent, type AgentHealth, type EntryStatus } from '../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../proto/rules/agent-labels.ts';
import { entryToDocument } from '../proto/rules/entry-document.ts';
import { age, type Column, count, size, span, word } from './format.ts';

/** A clock that is further off than this is worth a look. */
const SKEW_WARNED_MS = 5_000;

export const outputs = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Output = (typeof outputs)[number];

/** How one kind of thing is shown. */
export interface Kind<Item> {
  singular: string;
  plural: string;
  id(item: Item): string;
  document(item: Item): unknown;
  columns: readonly Column<Item>[];
  wideColumns: readonly Column<Item>[];
}

export const entryKind: Kind<Entry> = {
  singular: 'entry',
  plural: 'entries',
  id: ({ name }) => name.replace(/^entries\//, ''),
  document: entryToDocument,
  columns: [
    { title: 'NAME', value: ({ name }) => name.replace(/^entries\//, '') },
    { title: 'TOPIC', value: ({ topic }) => topic },
    { title: 'PATHS', value: ({ paths }) => shorten(paths) },
    { title: 'SELECTOR', value: ({ selector }) => selector || '<all>' },
    { title: 'PAUSED', value: ({ paused }) => (paused ? 'yes' : 'no') },
    { title: 'TOPIC-STATUS', value: ({ topicStatus }) => word(topicStatus?.state ?? 'STATE_PENDING') },
    { title: 'AGE', value: ({ createTime }) => age(createTime) },
  ],
  wideColumns: [
    { title: 'START', value: ({ start }) => start },
    { title: 'COMPRESSION', value: ({ compression }) => compression },
    { title: 'HEADERS', value: ({ headers }) => headers },
    { title: 'ENCODING', value: ({ encoding }) => encoding },
    { title: 'OWNER', value: ({ owner }) => owner || '-' },
    { title: 'REVISION', value: ({ etag }) => etag },
    { title: 'UPDATED', value: ({ updateTime }) => age(updateTime) },
    { title: 'LABELS', value: (entry) => labels(entry.labels) },
  ],
};

export const agentKind: Kind<Agent> = {
  singular: 'agent',
  plural: 'agents',
  id: ({ name }) => name.replace(/^agents\//, ''),
  document: (agent) => Agent.toJSON(agent),
  columns: [
    { title: 'NAME', value: ({ name }) => name.replace(/^agents\//, '') },
    { title: 'STATUS', value: (agent) => agentStatus(agent) },
    { title: 'HOST', value: ({ identity }) => identity?.host ?? '-' },
    { title: 'VERSION', value: ({ identity }) => identity?.version ?? '-' },
    { title: 'ENTRIES', value: ({ entries }) => String(entries.length) },
    { title: 'FILES', value: ({ fileCount }) => String(fileCount) },
    { title: 'LAG', value: ({ health }) => (health ? size(health.lagBytes) : '-') },
    { title: 'BEHIND', value: ({ health }) => (health ? span(health.lagSeconds) : '-') },
    { title: 'LOST', value: ({ health }) => (health ? size(health.lostBytes) : '-') },
    { title: 'LINES/S', value: ({ health }) => (health ? count(health.linesPerSecond) : '-') },
    { title: 'BYTES/S', value: ({ health }) => (health ? size(health.bytesPerSecond) : '-') },
    { title: 'LAST-SEEN', value: ({ lastSeenTime }) => age(lastSeenTime) },
  ],
  wideColumns: [
    { title: 'CONTROLLER', value: ({ controller }) => controller },
    { title: 'CPU', value: ({ health }) => (health ? cores(health) : '-') },
    { title: 'MEMORY', value: ({ health }) => (health ? size(health.residentBytes) : '-') },
    { title: 'FDS', value: ({ health }) => (health ? descriptors(health) : '-') },
    { title: 'PINNED', value: ({ health }) => (health ? size(health.pinnedBytes) : '-') },
    { title: 'SKEW', value: clockSkew },
    { title: 'UP', value: ({ health }) => age(health?.startTime) },
    { title: 'ADDRESSES', value: ({ identity }) => identity?.addresses.join(',') || '-' },
    { title: 'LABELS', value: ({ identity }) => (identity ? labels(selectorLabels(identity)) : '-') },
    { title: 'ERROR', value: ({ health, error }) => health?.error || error || '-' },
  ],
};

export const lossKind: Kind<Fact> = {
  singular: 'loss',
  plural: 'losses',
  id: ({ id }) => id,
  document: (fact) => Fact.toJSON(fact),
  columns: [
    { title: 'AGENT', value: ({ agent }) => agent.replace(/^agents\//, '') },
    { title: 'ENTRY', value: ({ entry }) => entry.replace(/^entries\//, '') },
    { title: 'PATH', value: ({ path }) => path },
    { title: 'GENERATION', value: ({ generation }) => generation },
    { title: 'RANGE', value: lossCell(({ start, end, openEnded }) => `${start}-${end}${openEnded ? '+' : ''}`) },
    { title: 'BYTES', value: lossCell(({ bytes }) => String(bytes)) },
    { title: 'REASON', value: lossCell(({ reason }) => word(reason)) },
    { title: 'AGE', value: ({ time }) => age(time) },
  ],
  wideColumns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'TIME', value: ({ time }) => time?.toISOString() ?? '-' },
  ],
};

export const alertKind: Kind<Alert> = {
  singular: 'alert',
  plural: 'alerts',
  id: ({ id }) => id,
  document: (alert) => Alert.toJSON(alert),
  columns: [
    { title: 'RULE', value: ({ condition }) => condition?.rule ?? '-' },
    { title: 'STATE', value: ({ state }) => word(state) },
    { title: 'AGENT', value: ({ condition }) => condition?.agent.replace(/^agents\//, '') ?? '-' },
    { title: 'ENTRY', value: ({ condition }) => condition?.entry.replace(/^entries\//, '') || '-' },
    { title: 'SINCE', value: ({ startTime }) => age(startTime) },
    { title: 'DELIVERED', value: ({ delivered }) => (delivered ? 'yes' : 'no') },
    { title: 'WHAT', value: ({ condition }) => condition?.summary ?? '-' },
  ],
  wideColumns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'TIME', value: ({ startTime }) => startTime?.toISOString() ?? '-' },
  ],
};

function lossCell(value: (loss: Loss) => string): (fact: Fact) => string {
  return ({ kind }) => (kind?.$case === 'loss' ? value(kind.value) : '-');
}

/** `Live`, or `Failing` when a file, an entry or the agent as a whole is in trouble. */
export function agentStatus({ liveness, health, entries }: Agent): string {
  const failing =
    health?.error || entries.some(({ state, failedFiles }) => state === 'STATE_FAILED' || failedFiles > 0);
  return liveness === 'LIVENESS_LIVE' && failing ? 'Failing' : word(liveness);
}

/** `0.25`, of one core. */
export function cores({ cpuCores }: AgentHealth): string {
  return cpuCores.toFixed(2);
}

/** `57/1024`, of those that there may be. */
export function descriptors({ openDescriptors: open, descriptorsMax: max }: AgentHealth): string {
  if (open === 0) return '-';
  return max > 0 ? `${open}/${max}` : String(open);
}

/** By how much an agent's clock is ahead: `+0.1s`, or behind: `-3600.0s`; with a warning when it is far off. */
export function clockSkew({ health, clockSkewMs }: Agent): string {
  if (!health) return '-';
  const text = `${clockSkewMs < 0n ? '' : '+'}${(Number(clockSkewMs) / 1000).toFixed(1)}s`;
  return Math.abs(Number(clockSkewMs)) > SKEW_WARNED_MS ? `${text} (!)` : text;
}

/** A list as one document; `name` one to a line. */
export function renderList<Item>(kind: Kind<Item>, items: readonly Item[], output: 'json' | 'yaml' | 'name'): string {
  if (output === 'name') return items.map((item) => `${kind.singular}/${kind.id(item)}\n`).join('');
  return renderDocument({ [kind.plural]: items.map((item) => kind.document(item)) }, output);
}

/** One item as a document of its own. */
export function renderItem<Item>(kind: Kind<Item>, item: Item, output: 'json' | 'yaml' | 'name'): string {
  if (output === 'name') return `${kind.singular}/${kind.id(item)}\n`;
  return `${output === 'yaml' ? '---\n' : ''}${renderDocument(kind.document(item), output)}`;
}

/** `3`, or `3 (1 failing)`. */
export function fileCount({ files, failedFiles }: EntryStatus): string {
  return failedFiles > 0 ? `${files} (${failedFiles} failing)` : String(files);
}

export function labels(map: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(map).map(([key, value]) => `${key}=${value}`);
  return pairs.sort().join(',') || '<none>';
}

export function renderDocument(document: unknown, output: 'json' | 'yaml'): string {
  return output === 'json' ? `${JSON.stringify(document, undefined, 2)}\n` : stringify(document);
}

function shorten(paths: readonly string[]): string {
  const [first = '', ...rest] = paths;
  return rest.length > 0 ? `${first} +${rest.length}` : first;
}
