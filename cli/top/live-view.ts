import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { type Sort, summaryOf, type TopKind, tableOf } from './rows.ts';
import { openScreen } from './screen.ts';

const SORT_KEYS: Readonly<Record<string, Sort>> = { l: 'lag', b: 'behind', r: 'rate', x: 'lost', n: 'name' };
const KEY_HELP = 'l lag, b behind, r rate, x lost, n name, q quit';
/** q, Ctrl-C and Escape. */
const QUIT_KEYS = ['q', '\x03', '\x1b'];
const RETRY_MS = 1_000;

/** The line below the summary: how the connection is doing. */
interface Connection {
  status: string;
}

/** Shows the fleet on the terminal's alternate screen until a quit key or a signal. */
export async function liveView(
  api: ControllerApi,
  kind: TopKind,
  { labelSelector, sort: initialSort, interval }: { labelSelector: string; sort: Sort; interval: number },
): Promise<void> {
  const agents = new Map<string, Agent>();
  const connection: Connection = { status: 'connecting …' };
  const stop = new AbortController();
  let sort = initialSort;
  const draw = () => {
    const heading = `${summaryOf(agents.values())}, by ${sort} (${KEY_HELP})`;
    screen.draw([heading, connection.status, ...tableOf(kind, agents.values(), sort).trimEnd().split('\n')]);
  };
  using screen = openScreen(process.stdin, process.stdout, {
    onKey: (key) => {
      sort = SORT_KEYS[key] ?? sort;
      if (QUIT_KEYS.includes(key)) stop.abort();
      else draw();
    },
    onResize: draw,
  });
  const end = () => stop.abort();
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.once(signal, end);
  const following = follow(api, labelSelector, agents, { connection, signal: stop.signal, onSynced: draw }).finally(
    end,
  );
  while (!stop.signal.aborted) {
    draw();
    await systemClock.sleep(interval, stop.signal).catch(() => {});
  }
  await following;
}

/**
 * Keeps `agents` equal to the fleet. Reconnects when the stream breaks, and rejects when the first
 * connection fails.
 */
async function follow(
  api: ControllerApi,
  labelSelector: string,
  agents: Map<string, Agent>,
  { connection, signal, onSynced }: { connection: Connection; signal: AbortSignal; onSynced(): void },
): Promise<void> {
  let hasSynced = false;
  while (!signal.aborted) {
    try {
      const present = new Set<string>();
      for await (const { kind, agent } of api.follow(api.fleet.watchAgents({ labelSelector }, { signal }))) {
        if (kind === 'KIND_SYNCED') {
          for (const name of agents.keys()) if (!present.has(name)) agents.delete(name);
          connection.status = '';
          hasSynced = true;
          onSynced();
        } else if (agent && kind === 'KIND_REMOVED') agents.delete(agent.name);
        else if (agent) {
          present.add(agent.name);
          agents.set(agent.name, agent);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!hasSynced) throw error;
      connection.status = `outdated, reconnecting: ${errorText(error)}`;
    }
    await systemClock.sleep(RETRY_MS, signal).catch(() => {});
  }
}
