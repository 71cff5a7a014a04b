import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { size, Table } from '../format.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents } from '../rpc/lists.ts';
import { checkedSelector } from '../selector-option.ts';
import { agentsView, entriesView, type Sort, sorted } from '../top/rows.ts';
import { openScreen } from '../top/screen.ts';

export interface TopOptions {
  selector?: string;
  sort: Sort;
  /** How often the screen is drawn anew. */
  interval: number;
}

const KEYS: Readonly<Record<string, Sort>> = { l: 'lag', b: 'behind', r: 'rate', x: 'lost', n: 'name' };
const HINT = 'l lag, b behind, r rate, x lost, n name, q quit';
/** Ctrl-C and Escape end it, too. */
const QUIT = ['q', '\x03', '\x1b'];
const RETRY_MS = 1_000;

/** `logfleet top agents|entries`: a screen that lives until `q`; where there is no terminal, one table. */
export async function top(
  api: ControllerApi,
  kind: 'agents' | 'entries',
  options: TopOptions,
  write: (text: string) => void,
): Promise<void> {
  const labelSelector = checkedSelector(options.selector ?? '');
  if (process.stdin.isTTY && process.stdout.isTTY) {
    await live(api, kind, { ...options, labelSelector });
    return;
  }
  const agents = await listAgents(api, { labelSelector, includeFiles: false });
  write(tableOf(kind, agents, options.sort));
}

async function live(
  api: ControllerApi,
  kind: 'agents' | 'entries',
  { labelSelector, sort: first, interval }: TopOptions & { labelSelector: string },
): Promise<void> {
  const agents = new Map<string, Agent>();
  const state = { sort: first, trouble: 'connecting …' };
  const stop = new AbortController();
  const draw = () => {
    const head = `${headOf(agents.values())}, by ${state.sort} (${HINT})`;
    screen.draw([head, state.trouble, ...tableOf(kind, agents.values(), state.sort).trimEnd().split('\n')]);
  };
  using screen = openScreen(process.stdin, process.stdout, {
    onKey: (key) => {
      state.sort = KEYS[key] ?? state.sort;
      if (QUIT.includes(key)) stop.abort();
      else draw();
    },
    onResize: draw,
  });
  const end = () => stop.abort();
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.once(signal, end);
  const following = follow(api, labelSelector, agents, { state, signal: stop.signal, onSynced: draw }).finally(end);
  while (!stop.signal.aborted) {
    draw();
    await systemClock.sleep(interval, stop.signal).catch(() => {});
  }
  await following;
}

/** Keeps `agents` as the fleet is. A stream that breaks is begun again; one that never began rejects. */
async function follow(
  api: ControllerApi,
  labelSelector: string,
  agents: Map<string, Agent>,
  { state, signal, onSynced }: { state: { trouble: string }; signal: AbortSignal; onSynced(): void },
): Promise<void> {
  let isSynced = false;
  while (!signal.aborted) {
    try {
      const present = new Set<string>();
      for await (const { kind, agent } of api.follow(api.fleet.watchAgents({ labelSelector }, { signal }))) {
        if (kind === 'KIND_SYNCED') {
          for (const name of agents.keys()) if (!present.has(name)) agents.delete(name);
          state.trouble = '';
          isSynced = true;
          onSynced();
        } else if (agent && kind === 'KIND_REMOVED') agents.delete(agent.name);
        else if (agent) {
          present.add(agent.name);
          agents.set(agent.name, agent);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isSynced) throw error;
      state.trouble = `as it was; trying again: ${errorText(error)}`;
    }
    await systemClock.sleep(RETRY_MS, signal).catch(() => {});
  }
}

function tableOf(kind: 'agents' | 'entries', agents: Iterable<Agent>, by: Sort): string {
  if (kind === 'agents') return new Table(agentsView.columns).render(sorted(agentsView.rows(agents), by));
  return new Table(entriesView.columns).render(sorted(entriesView.rows(agents), by));
}

function headOf(agents: Iterable<Agent>): string {
  const rows = agentsView.rows(agents);
  const gone = rows.filter(({ status }) => status === 'Lost').length;
  const sum = (field: 'lag' | 'rate') => rows.reduce((total, row) => total + row[field], 0);
  return `${rows.length} agents, ${gone} lost, ${size(sum('lag'))} behind, ${size(sum('rate'))}/s`;
}
