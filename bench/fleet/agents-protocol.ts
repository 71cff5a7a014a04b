/** The argument of a process of simulated agents, as JSON. */
export interface AgentsSpec {
  addresses: string[];
  first: number;
  count: number;
  reportIntervalMs: number;
  /** Agents start within this time, as they do when they reconnect. */
  spreadMs: number;
}

/** The parent's request. */
export type AgentsRequest =
  | { id: number; kind: 'connected'; address?: string }
  | { id: number; kind: 'applied'; entry: string; etag: string };

/**
 * `connected`: how many are, and when the last one connected. `applied`: when each had applied it.
 * Times are of CLOCK_MONOTONIC.
 */
export interface AgentsResponse {
  id: number;
  count: number;
  lastMs: number;
  timesMs?: number[];
  /** How many are connected, and how often streams have failed since the start, by reason. */
  connected: number;
  failures: Map<string, number>;
}

/** CLOCK_MONOTONIC in ms, which all processes share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
