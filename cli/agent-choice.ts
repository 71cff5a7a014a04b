import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ListAgentsRequest } from '../proto/gen/logfleet/v1/fleet_service.ts';
import { entryName } from '../proto/rules/names.ts';
import { CliError, exitCodes } from './cli-error.ts';

const SIZES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/** What agents can be sorted by, in the words of the tables; most of them with the most first. */
const ORDERS = {
  name: 'name',
  lag: 'lag_bytes desc',
  behind: 'lag_seconds desc',
  lost: 'lost_bytes desc',
  rate: 'bytes_per_second desc',
  cpu: 'cpu desc',
  memory: 'resident_bytes desc',
  'last-seen': 'last_seen',
} as const;

/** How far behind an agent must be. */
export interface MinLag {
  bytes: number;
  seconds: number;
}

/** Which agents to show, and in which order. */
export interface AgentChoice {
  sortBy?: keyof typeof ORDERS;
  state?: 'applying' | 'applied' | 'failed' | 'paused';
  liveness?: 'live' | 'stopped' | 'lost';
  minLag?: MinLag;
  entry?: string;
}

type Chosen = Pick<
  ListAgentsRequest,
  'liveness' | 'entry' | 'entryState' | 'minLagBytes' | 'minLagSeconds' | 'orderBy'
>;

/** `parseDuration` reads a time such as 30s. */
export function addAgentChoice(command: Command, parseDuration: (text: string) => number): Command {
  return command
    .addOption(new Option('--sort-by <what>', 'of agents: what comes first').choices(Object.keys(ORDERS)))
    .addOption(
      new Option('--state <state>', 'of agents: only where an entry, or that of --entry, is so').choices([
        'applying',
        'applied',
        'failed',
        'paused',
      ]),
    )
    .addOption(
      new Option('--liveness <state>', 'of agents: only those that are so').choices(['live', 'stopped', 'lost']),
    )
    .addOption(
      new Option('--min-lag <size or time>', 'of agents: only those that are so far behind: 10MiB, or 30s').argParser(
        (text) => parseMinLag(text, parseDuration),
      ),
    );
}

/** What to ask for. */
export function agentRequest({ sortBy, state, liveness, minLag, entry }: AgentChoice): Chosen {
  return {
    liveness: liveness ? `LIVENESS_${upper(liveness)}` : 'LIVENESS_UNSPECIFIED',
    entry: entry ? entryName(entry) : '',
    entryState: state ? `STATE_${upper(state)}` : 'STATE_UNSPECIFIED',
    minLagBytes: BigInt(minLag?.bytes ?? 0),
    minLagSeconds: minLag?.seconds ?? 0,
    orderBy: ORDERS[sortBy ?? 'name'],
  };
}

/** Throws CliError when something is chosen that can't be. */
export function refuseChoice({ sortBy, state, liveness, minLag }: AgentChoice, why: string): void {
  if (sortBy ?? state ?? liveness ?? minLag)
    throw new CliError(exitCodes.usage, `--sort-by, --state, --liveness and --min-lag ${why}`);
}

function upper<Text extends string>(text: Text): Uppercase<Text> {
  return text.toUpperCase() as Uppercase<Text>;
}

function parseMinLag(text: string, parseDuration: (text: string) => number): MinLag {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMGT]iB|B)$/.exec(text) ?? [];
  if (unit !== undefined) return { bytes: Math.round(Number(number) * SIZES[unit as keyof typeof SIZES]), seconds: 0 };
  if (!/[a-z]$/.test(text)) throw new InvalidArgumentError('give a size such as 10MiB, or a time such as 30s.');
  return { bytes: 0, seconds: parseDuration(text) / 1000 };
}
