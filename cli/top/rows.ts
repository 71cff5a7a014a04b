import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { formatByteRate, formatByteSize, formatDuration } from '../../runtime/units.ts';
import { agentStatus } from '../kinds/agent-cells.ts';
import { count } from '../output/format.ts';
import { type Column, Table } from '../output/table.ts';

export const sorts = ['lag', 'behind', 'rate', 'lost', 'name'] as const;
export type Sort = (typeof sorts)[number];

export const topKinds = ['agents', 'entries'] as const;
export type TopKind = (typeof topKinds)[number];

/** The values of a line that it can be sorted by. */
interface Row {
  name: string;
  lag: number;
  /** In seconds. */
  behind: number;
  rate: number;
  lost: number;
}

interface AgentRow extends Row {
  status: string;
  entries: number;
  files: number;
  linesPerSecond: number;
  memory: number;
}

interface EntryRow extends Row {
  agents: number;
  failed: number;
  files: number;
  /** The agent with the oldest unread line. */
  furthest: string;
}

/** One of the tables. */
interface TopView<Shown extends Row> {
  rows(agents: Iterable<Agent>): Shown[];
  columns: readonly Column<Shown>[];
}

const agentsView: TopView<AgentRow> = {
  rows: (agents) => [...agents].map(agentRow),
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'STATUS', value: ({ status }) => status },
    { title: 'LAG', value: ({ lag }) => formatByteSize(lag) },
    { title: 'BEHIND', value: ({ behind }) => formatDuration(behind) },
    { title: 'BYTES/S', value: ({ rate }) => formatByteSize(rate) },
    { title: 'LINES/S', value: ({ linesPerSecond }) => count(linesPerSecond) },
    { title: 'LOST', value: ({ lost }) => formatByteSize(lost) },
    { title: 'ENTRIES', value: ({ entries }) => String(entries) },
    { title: 'FILES', value: ({ files }) => String(files) },
    { title: 'MEMORY', value: ({ memory }) => formatByteSize(memory) },
  ],
};

const entriesView: TopView<EntryRow> = {
  rows: entryRows,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'LAG', value: ({ lag }) => formatByteSize(lag) },
    { title: 'BEHIND', value: ({ behind }) => formatDuration(behind) },
    { title: 'BYTES/S', value: ({ rate }) => formatByteSize(rate) },
    { title: 'LOST', value: ({ lost }) => formatByteSize(lost) },
    { title: 'AGENTS', value: ({ agents, failed }) => (failed > 0 ? `${agents} (${failed} failed)` : String(agents)) },
    { title: 'FILES', value: ({ files }) => String(files) },
    {
      title: 'FURTHEST-BEHIND',
      value: ({ furthest, behind }) => (furthest === '' ? '-' : `${furthest}, ${formatDuration(behind)}`),
    },
  ],
};

/** Renders the table of a fleet's agents or entries. */
export function tableOf(kind: TopKind, agents: Iterable<Agent>, by: Sort): string {
  if (kind === 'agents') return new Table(agentsView.columns).render(sorted(agentsView.rows(agents), by));
  return new Table(entriesView.columns).render(sorted(entriesView.rows(agents), by));
}

/** The fleet in one line. */
export function summaryOf(agents: Iterable<Agent>): string {
  const rows = agentsView.rows(agents);
  const lost = rows.filter(({ status }) => status === 'Lost').length;
  const sum = (field: 'lag' | 'rate') => rows.reduce((total, row) => total + row[field], 0);
  return `${rows.length} agents, ${lost} lost, ${formatByteSize(sum('lag'))} behind, ${formatByteRate(sum('rate'))}`;
}

/** Largest value first; equal values by name. */
function sorted<Shown extends Row>(rows: readonly Shown[], by: Sort): Shown[] {
  const byName = (a: Row, b: Row) => (a.name < b.name ? -1 : 1);
  return [...rows].sort((a, b) => (by === 'name' ? 0 : b[by] - a[by]) || byName(a, b));
}

function agentRow(agent: Agent): AgentRow {
  const { name, health, entries, fileCount } = agent;
  return {
    name: shortAgentName(name),
    status: agentStatus(agent),
    lag: Number(health?.lagBytes ?? 0),
    behind: health?.lagSeconds ?? 0,
    rate: health?.bytesPerSecond ?? 0,
    lost: Number(health?.lostBytes ?? 0),
    linesPerSecond: health?.linesPerSecond ?? 0,
    memory: Number(health?.residentBytes ?? 0),
    entries: entries.length,
    files: fileCount,
  };
}

function entryRows(agents: Iterable<Agent>): EntryRow[] {
  const rows = new Map<string, EntryRow>();
  for (const { name: agent, entries } of agents) {
    for (const status of entries) {
      const name = shortEntryName(status.entry);
      const row = rows.get(name) ?? emptyRow(name);
      rows.set(name, row);
      row.lag += Number(status.lagBytes);
      row.rate += status.bytesPerSecond;
      row.lost += Number(status.lostBytes);
      row.files += status.files;
      row.agents++;
      if (status.state === 'STATE_FAILED' || status.failedFiles > 0) row.failed++;
      if (status.lagSeconds > row.behind) {
        row.behind = status.lagSeconds;
        row.furthest = shortAgentName(agent);
      }
    }
  }
  return [...rows.values()];
}

function emptyRow(name: string): EntryRow {
  return { name, lag: 0, behind: 0, rate: 0, lost: 0, agents: 0, failed: 0, files: 0, furthest: '' };
}
