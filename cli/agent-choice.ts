import type { ListAgentsRequest } from '../proto/gen/logfleet/v1/fleet_service.ts';
import { entryName } from '../proto/rules/names.ts';
import { CliError, exitCodes } from './cli-error.ts';

/** What agents can be sorted by, in the words of the tables; most of them with the most first. */
export const ORDERS = {
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
