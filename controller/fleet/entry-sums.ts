import type { EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { DesiredSets } from '../desired/desired-sets.ts';
import type { AgentDirectory } from './agent-directory.ts';
import type { AgentSession } from './agent-session.ts';

/** Requests within this time get the same sums. */
const MAX_AGE_MS = 1_000;

/** The agent with the most extreme value, and the value. */
export interface ExtremeAgent {
  seconds: number;
  session: AgentSession;
}

/** The sums of one entry over the agents connected to this controller. */
export interface EntrySums {
  /** Connected agents that the entry is assigned to. */
  connected: number;
  /** Agents that the entry is assigned to and that are connected nowhere. */
  disconnected: number;
  /** The assigned version is applied and all of its files are readable. */
  applied: number;
  /** The entry failed, or some of its files are unreadable. */
  failed: number;
  paused: number;
  /** How many agents report each state. */
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
  /** The agent with the line that has been unread for longest. */
  oldest: ExtremeAgent | undefined;
  /** The agent with the soonest forecast loss. */
  forecast: ExtremeAgent | undefined;
}

/** Sums per entry over the agents connected to this controller, computed on request. */
export class FleetSums {
  readonly #agents: AgentDirectory;
  readonly #desired: DesiredSets;
  readonly #clock: Clock;
  #cached: { atMs: number; sums: ReadonlyMap<string, EntrySums> } | undefined;

  constructor(agents: AgentDirectory, desired: DesiredSets, clock: Clock) {
    this.#agents = agents;
    this.#desired = desired;
    this.#clock = clock;
  }

  /** By the name of each entry that an agent has or should have. At most a second old. */
  byEntry(): ReadonlyMap<string, EntrySums> {
    const nowMs = this.#clock.monotonicMs();
    if (!this.#cached || nowMs - this.#cached.atMs > MAX_AGE_MS)
      this.#cached = { atMs: nowMs, sums: computeSums(this.#agents, this.#desired) };
    return this.#cached.sums;
  }
}

function computeSums(agents: AgentDirectory, desiredSets: DesiredSets): Map<string, EntrySums> {
  const sums = new Map<string, EntrySums>();
  const sumFor = (entry: string): EntrySums => {
    let sum = sums.get(entry);
    if (!sum) {
      sum = emptySums();
      sums.set(entry, sum);
    }
    return sum;
  };
  const connected = new Map<DesiredSet, number>();
  for (const session of agents.sessions()) {
    const desired = desiredSets.forLabels(session.labels);
    connected.set(desired, (connected.get(desired) ?? 0) + 1);
    for (const status of session.reported.statuses())
      addStatus(sumFor(status.entry), status, session, desired.etag(status.entry));
  }
  for (const [desired, count] of connected) for (const name of desired.names) sumFor(name).connected += count;
  const disconnected = new Map<DesiredSet, number>();
  for (const { controller, labels } of agents.all()) {
    if (controller !== undefined) continue;
    const desired = desiredSets.forLabels(labels);
    disconnected.set(desired, (disconnected.get(desired) ?? 0) + 1);
  }
  for (const [desired, count] of disconnected) for (const name of desired.names) sumFor(name).disconnected += count;
  return sums;
}

function addStatus(sum: EntrySums, status: EntryStatus, session: AgentSession, etag: string | undefined): void {
  const { state, failedFiles, lagSeconds, lossForecastSeconds } = status;
  sum.states.set(state, (sum.states.get(state) ?? 0) + 1);
  // An entry that the agent is about to lose counts only for its files and bytes.
  if (etag !== undefined) {
    if (state === 'STATE_FAILED' || failedFiles > 0) sum.failed++;
    else if (state === 'STATE_PAUSED') sum.paused++;
    else if (state === 'STATE_APPLIED' && status.etag === etag) sum.applied++;
  }
  sum.files += status.files;
  sum.failedFiles += failedFiles;
  if (status.lagBytes !== 0n) sum.lagBytes += Number(status.lagBytes);
  sum.bytesPerSecond += status.bytesPerSecond;
  // Skips the conversion for zero, which is by far the most frequent value.
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
    ...{ connected: 0, disconnected: 0, applied: 0, failed: 0, paused: 0, states: new Map<string, number>() },
    ...{ files: 0, failedFiles: 0, lagBytes: 0, bytesPerSecond: 0, lostBytes: 0, losses: 0 },
    ...{ filteredLines: 0, sealedFiles: 0, forecastFiles: 0, oldest: undefined, forecast: undefined },
  };
}
