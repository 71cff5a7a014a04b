import type { ListAgentsRequest } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { entryName } from '../../proto/rules/names.ts';

/** The request's order for each word of `--sort-by`; the words are those of the tables. */
export const agentOrders = {
  name: 'name',
  lag: 'lag_bytes desc',
  behind: 'lag_seconds desc',
  lost: 'lost_bytes desc',
  rate: 'bytes_per_second desc',
  cpu: 'cpu desc',
  memory: 'resident_bytes desc',
  'last-seen': 'last_seen',
} as const;

export const entryStates = ['applying', 'applied', 'failed', 'paused'] as const;
export const livenesses = ['live', 'stopped', 'lost'] as const;

/** How far behind an agent must be; 0 for the other unit. */
export interface MinLag {
  bytes: number;
  seconds: number;
}

/** Which agents to show, and in which order. */
export interface AgentFilter {
  sortBy?: keyof typeof agentOrders;
  /** The state of `entry`, or of any entry. */
  state?: (typeof entryStates)[number];
  liveness?: (typeof livenesses)[number];
  minLag?: MinLag;
  entry?: string;
}

type FilterFields = Pick<
  ListAgentsRequest,
  'liveness' | 'entry' | 'entryState' | 'minLagBytes' | 'minLagSeconds' | 'orderBy'
>;

export function agentFilterFields({ sortBy, state, liveness, minLag, entry }: AgentFilter): FilterFields {
  return {
    liveness: liveness ? `LIVENESS_${upper(liveness)}` : 'LIVENESS_UNSPECIFIED',
    entry: entry ? entryName(entry) : '',
    entryState: state ? `STATE_${upper(state)}` : 'STATE_UNSPECIFIED',
    minLagBytes: BigInt(minLag?.bytes ?? 0),
    minLagSeconds: minLag?.seconds ?? 0,
    orderBy: agentOrders[sortBy ?? 'name'],
  };
}

function upper<Text extends string>(text: Text): Uppercase<Text> {
  return text.toUpperCase() as Uppercase<Text>;
}
