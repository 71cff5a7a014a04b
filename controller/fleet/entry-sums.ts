import type { Clock } from '../../runtime/clock.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { AgentSession } from './agent-session.ts';
import type { Fleet } from './fleet.ts';

/** Who asks within this time is told the same. */
const KEPT_MS = 1_000;

/** The agent that is the furthest in some way, and how far. */
export interface FurthestAgent {
  seconds: number;
  session: AgentSession;
}

/** What the agents that are connected to this controller report of one entry. */
export interface EntrySums {
  /** Whom the entry selects, of those that are connected, and of those that are connected nowhere. */
  connected: number;
  absent: number;
  /** The present revision is in force, and its files can be read. */
  applied: number;
  /** It failed, or files can't be read. */
  failed: number;
  paused: number;
  /** How many agents say each of it, as they say it. */
  states: Map<string, number>;
  files: number;
  failedFiles: number;
  lagBytes: number;
  bytesPerSecond: number;
  lostBytes: number;
  losses: number;
  filteredLines: number;
  sealedFiles: number;
  forecastFiles: number;
  oldest: FurthestAgent | undefined;
  /** The soonest. */
  forecast: FurthestAgent | undefined;
}

/** Sums over the agents that are connected here, by entry: made when they are asked for. */
export class FleetSums {
  readonly #fleet: Fleet;
  readonly #clock: Clock;
  #made: { atMs: number; sums: ReadonlyMap<string, EntrySums> } | undefined;

  constructor(fleet: Fleet, clock: Clock) {
    this.#fleet = fleet;
    this.#clock = clock;
  }

  /** By the entry's name, of those that an agent has or should have. A second old at most. */
  byEntry(): ReadonlyMap<string, EntrySums> {
    const nowMs = this.#clock.monotonicMs();
    if (!this.#made || nowMs - this.#made.atMs > KEPT_MS) this.#made = { atMs: nowMs, sums: sumsOf(this.#fleet) };
    return this.#made.sums;
  }
}

function sumsOf(fleet: Fleet): Map<string, EntrySums> {
  const sums = new Map<string, EntrySums>();
  const of = (entry: string): EntrySums => {
    let sum = sums.get(entry);
    if (!sum) {
      sum = emptySums();
      sums.set(entry, sum);
    }
    return sum;
  };
  const connected = new Map<DesiredSet, number>();
  for (const session of fleet.sessions()) {
    const desired = fleet.desiredOf(session.labels);
    connected.set(desired, (connected.get(desired) ?? 0) + 1);
    for (const status of session.statuses) add(of(status.entry), status, session, desired.etagOf(status.entry));
  }
  for (const [desired, agents] of connected) for (const name of desired.names) of(name).connected += agents;
  const absent = new Map<DesiredSet, number>();
  for (const desired of fleet.absent()) absent.set(desired, (absent.get(desired) ?? 0) + 1);
  for (const [desired, agents] of absent) for (const name of desired.names) of(name).absent += agents;
  return sums;
}

type Status = ReturnType<AgentSession['statusOf']> & object;

function add(sum: EntrySums, status: Status, session: AgentSession, etag: string | undefined): void {
  const { state, failedFiles, lagSeconds, lossForecastSeconds } = status;
  sum.states.set(state, (sum.states.get(state) ?? 0) + 1);
  // One that is being taken from the agent counts no more, but for what it holds.
  if (etag !== undefined) {
    if (state === 'STATE_FAILED' || failedFiles > 0) sum.failed++;
    else if (state === 'STATE_PAUSED') sum.paused++;
    else if (state === 'STATE_APPLIED' && status.etag === etag) sum.applied++;
  }
  sum.files += status.files;
  sum.failedFiles += failedFiles;
  if (status.lagBytes !== 0n) sum.lagBytes += Number(status.lagBytes);
  sum.bytesPerSecond += status.bytesPerSecond;
  // Most have none of these.
  if (status.losses !== 0n) sum.losses += Number(status.losses);
  if (status.lostBytes !== 0n) sum.lostBytes += Number(status.lostBytes);
  if (status.filteredLines !== 0n) sum.filteredLines += Number(status.filteredLines);
  if (status.sealedFiles !== 0n) sum.sealedFiles += Number(status.sealedFiles);
  sum.forecastFiles += status.lossForecastFiles;
  if (lagSeconds > (sum.oldest?.seconds ?? 0)) sum.oldest = { seconds: lagSeconds, session };
  if (lossForecastSeconds > 0 && lossForecastSeconds < (sum.forecast?.seconds ?? Number.POSITIVE_INFINITY))
    sum.forecast = { seconds: lossForecastSeconds, session };
}

function emptySums(): EntrySums {
  return {
    ...{ connected: 0, absent: 0, applied: 0, failed: 0, paused: 0, states: new Map<string, number>() },
    ...{ files: 0, failedFiles: 0, lagBytes: 0, bytesPerSecond: 0, lostBytes: 0, losses: 0 },
    ...{ filteredLines: 0, sealedFiles: 0, forecastFiles: 0, oldest: undefined, forecast: undefined },
  };
}
