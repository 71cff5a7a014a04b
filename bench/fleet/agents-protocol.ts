/** What a process of simulated agents is started with, as JSON. */
export interface AgentsSpec {
  addresses: string[];
  first: number;
  count: number;
  reportIntervalMs: number;
  /** Agents begin within this time, as after a return. */
  spreadMs: number;
}

/** What the parent asks. */
export type Question =
  | { id: number; ask: 'connected'; address?: string }
  | { id: number; ask: 'applied'; entry: string; etag: string };

/** `connected`: how many are, and when the last one became so. `applied`: when each had applied, by CLOCK_MONOTONIC. */
export interface Answer {
  id: number;
  count: number;
  lastMs: number;
  timesMs?: number[];
  /** How many are connected, and why streams could not be had, each reason with its count, since the start. */
  connected: number;
  failures: Map<string, number>;
}

/** CLOCK_MONOTONIC, which processes share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
