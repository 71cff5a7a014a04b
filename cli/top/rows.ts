import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { type Column, count, size, span } from '../format.ts';
import { agentStatus } from '../output.ts';

export const sorts = ['lag', 'behind', 'rate', 'lost', 'name'] as const;
export type Sort = (typeof sorts)[number];

/** One line of the screen: what it is sorted by, and what is shown. */
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
  /** The agent that has the oldest unread line. */
  furthest: string;
}

/** What a table shows of the fleet, given all its agents. */
export interface TopView<Shown extends Row> {
  plural: string;
  rows(agents: Iterable<Agent>): Shown[];
  columns: readonly Column<Shown>[];
}

export const agentsView: TopView<AgentRow> = {
  plural: 'agents',
  rows: (agents) => [...agents].map(agentRow),
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'STATUS', value: ({ status }) => status },
    { title: 'LAG', value: ({ lag }) => size(lag) },
    { title: 'BEHIND', value: ({ behind }) => span(behind) },
    { title: 'BYTES/S', value: ({ rate }) => size(rate) },
    { title: 'LINES/S', value: ({ linesPerSecond }) => count(linesPerSecond) },
    { title: 'LOST', value: ({ lost }) => size(lost) },
    { title: 'ENTRIES', value: ({ entries }) => String(entries) },
    { title: 'FILES', value: ({ files }) => String(files) },
    { title: 'MEMORY', value: ({ memory }) => size(memory) },
  ],
};

export const entriesView: TopView<EntryRow> = {
  plural: 'entries',
  rows: entryRows,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'LAG', value: ({ lag }) => size(lag) },
    { title: 'BEHIND', value: ({ behind }) => span(behind) },
    { title: 'BYTES/S', value: ({ rate }) => size(rate) },
    { title: 'LOST', value: ({ lost }) => size(lost) },
    { title: 'AGENTS', value: ({ agents, failed }) => (failed > 0 ? `${agents} (${failed} failed)` : String(agents)) },
    { title: 'FILES', value: ({ files }) => String(files) },
    {
      title: 'FURTHEST-BEHIND',
      value: ({ furthest, behind }) => (furthest === '' ? '-' : `${furthest}, ${span(behind)}`),
    },
  ],
};

/** The most first; equal ones, and those sorted by name, in the order of the names. */
export function sorted<Shown extends Row>(rows: readonly Shown[], by: Sort): Shown[] {
  const byName = (a: Row, b: Row) => (a.name < b.name ? -1 : 1);
  return [...rows].sort((a, b) => (by === 'name' ? 0 : b[by] - a[by]) || byName(a, b));
}

function agentRow(agent: Agent): AgentRow {
  const { name, health, entries, fileCount } = agent;
  return {
    name: name.replace(/^agents\//, ''),
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
      const name = status.entry.replace(/^entries\//, '');
      const row = rows.get(name) ?? emptyRow(name);
      rows.set(name, row);
      row.lag += Number(status.lagBytes);
      row.rate += status.bytesPerSecond;
      row.lost += Number(status.lostBytes);
      row.files += status.files;
      row.agents++;
      if (status.state === 'STATE_FAILED' || status.failedFiles > 0) row.failed++;
      if (status.lagSeconds > row.behind)
        [row.behind, row.furthest] = [status.lagSeconds, agent.replace(/^agents\//, '')];
    }
  }
  return [...rows.values()];
}

function emptyRow(name: string): EntryRow {
  return { name, lag: 0, behind: 0, rate: 0, lost: 0, agents: 0, failed: 0, files: 0, furthest: '' };
}
