import { type Random, seeded, subSeed } from '../support/random.ts';

/** Faults of the collector, which run one after the other. */
export const AGENT_FAULTS = ['kill-agent', 'stop-agent', 'stall-agent', 'full-disk'] as const;
/**
 * Faults of brokers or of the network to them, which run one after the other, in parallel with the
 * collector's.
 */
export const CLUSTER_FAULTS = ['kill-broker', 'kill-both', 'stall-broker', 'cut', 'drop-replies', 'hole'] as const;
export const FAULT_KINDS = [...AGENT_FAULTS, ...CLUSTER_FAULTS] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  /** From the beginning of the run, ms. */
  atMs: number;
  kind: FaultKind;
  /** How long it lasts, ms. A killed process is restarted after this time. */
  forMs: number;
  /** The broker's index; undefined: all, or none for faults of the collector. */
  broker: number | undefined;
}

export interface ScheduleOptions {
  seed: number;
  durationMs: number;
  /** How often the collector is killed. */
  kills: number;
  kinds: readonly FaultKind[];
  brokers: number;
}

/** One of so many kills of the collector also kills a broker. */
const KILL_BOTH_EVERY = 10;
const QUIET_AT_START_MS = 1_500;
/** Milliseconds, minimum and maximum. */
const LASTS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  'kill-agent': [0, 800],
  'stop-agent': [0, 800],
  'stall-agent': [200, 2_000],
  'full-disk': [500, 3_000],
  'kill-broker': [0, 2_000],
  'kill-both': [0, 1_000],
  'stall-broker': [500, 5_000],
  cut: [300, 3_000],
  'drop-replies': [300, 3_000],
  hole: [500, 5_000],
};
const CLUSTER_GAP_MS = [2_000, 8_000] as const;
const ALL_BROKERS_SHARE = 0.25;

/** The faults of a run, sorted by time. The same options yield the same schedule. */
export function buildSchedule(options: ScheduleOptions): Fault[] {
  const faults = [...agentFaults(options), ...clusterFaults(options)];
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** Kills, spread evenly with jitter. A milder fault follows every other one. */
function agentFaults({ seed, durationMs, kills, kinds, brokers }: ScheduleOptions): Fault[] {
  const random = seeded(subSeed(seed, 'agent'));
  const kills_ = kinds.includes('kill-agent') || kinds.includes('kill-both') ? kills : 0;
  const mild = deck(
    random,
    AGENT_FAULTS.filter((kind) => kind !== 'kill-agent' && kinds.includes(kind)),
  );
  const slots = Math.max(kills_, 1);
  const slotMs = (durationMs - QUIET_AT_START_MS) / slots;
  const faults: Fault[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const fromMs = QUIET_AT_START_MS + slot * slotMs;
    const both = kinds.includes('kill-both') && (slot % KILL_BOTH_EVERY === 2 || !kinds.includes('kill-agent'));
    const atMs = fromMs + random.next() * slotMs * 0.6;
    const kill = lasting(random, both ? 'kill-both' : 'kill-agent', atMs, both ? brokers : 0);
    if (kills_ > 0) faults.push(kill);
    const then = slot % 2 === 1 ? mild() : undefined;
    if (then) faults.push(lasting(random, then, fromMs + slotMs * (0.7 + random.next() * 0.2), 0));
  }
  return faults;
}

function clusterFaults({ seed, durationMs, kinds, brokers }: ScheduleOptions): Fault[] {
  const random = seeded(subSeed(seed, 'cluster'));
  const next = deck(
    random,
    CLUSTER_FAULTS.filter((kind) => kind !== 'kill-both' && kinds.includes(kind)),
  );
  const faults: Fault[] = [];
  let atMs = QUIET_AT_START_MS + random.between(...CLUSTER_GAP_MS);
  for (let kind = next(); kind && atMs < durationMs; kind = next()) {
    const fault = lasting(random, kind, atMs, brokers);
    const network = kind === 'cut' || kind === 'drop-replies' || kind === 'hole';
    faults.push(network && random.next() < ALL_BROKERS_SHARE ? { ...fault, broker: undefined } : fault);
    atMs = fault.atMs + fault.forMs + random.between(...CLUSTER_GAP_MS);
  }
  return faults;
}

function lasting(random: Random, kind: FaultKind, atMs: number, brokers: number): Fault {
  const forMs = random.between(...LASTS[kind]);
  return { atMs: Math.round(atMs), kind, forMs, broker: brokers > 0 ? random.between(0, brokers - 1) : undefined };
}

/** Deals each kind once in random order, then again, so that each occurs in a short run, too. */
function deck(random: Random, kinds: readonly FaultKind[]): () => FaultKind | undefined {
  let left: FaultKind[] = [];
  return () => {
    if (left.length === 0) left = [...kinds];
    return left.splice(random.between(0, left.length - 1), 1)[0];
  };
}

export function faultText({ atMs, kind, forMs, broker }: Fault): string {
  const about = kind === 'kill-agent' || kind === 'stop-agent' || kind === 'stall-agent' || kind === 'full-disk';
  const where = about ? '' : broker === undefined ? ' all brokers' : ` broker ${broker + 1}`;
  return `${(atMs / 1000).toFixed(1).padStart(7)} s  ${kind}${where}, ${(forMs / 1000).toFixed(1)} s`;
}
