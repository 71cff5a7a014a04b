import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../runtime/errors.ts';
import type { Failover, FleetFigures } from './fleet/measure-fleet.ts';
import { decimals, table } from './report/report.ts';
import { putSection } from './report/results-file.ts';
import type { Delays } from './workloads/delays.ts';
import type { Exponents } from './workloads/scaling.ts';
import type { Speed } from './workloads/throughput.ts';

interface Load {
  cpuPercent: number;
  peakRssMib: number;
}

/** The part of bench/results/*.json that goals need. What failed or was not measured is missing. */
export interface Figures {
  backlog?: { speeds: Speed[] };
  delay?: { results: Record<string, { delays?: Delays }> };
  idle?: { results: Record<string, { firstStartSeconds?: number; secondStartSeconds?: number; load?: Load }> };
  outage?: { results: Record<string, { peakRssMib?: number }> };
  scaling?: { exponents: Record<string, Exponents> };
  fleet?: {
    steps: FleetFigures[];
    writesPerSecond: number | { failure: string };
    failover: Failover | { failure: string };
  };
}

export interface Goal {
  goal: string;
  measured: number;
  atLeast?: number;
  atMost?: number;
}

/**
 * Growth read off a few points is not exact. From 5,000 to 20,000, n log n has an exponent of 1.11.
 */
const LINEAR_MAX = 1.1;
const N_LOG_N_MAX = 1.15;

/** The goals of the issues beside what was measured; NaN where nothing was. */
export function goalsOf(figures: Figures): Goal[] {
  return [
    ...speedGoals(figures.backlog?.speeds ?? []),
    ...steadyGoals(figures),
    ...growthGoals(figures),
    ...fleetGoals(figures),
  ];
}

function speedGoals(speeds: readonly Speed[]): Goal[] {
  const of = (name: string) => speeds.find((speed) => speed.name === name);
  const peers = speeds.filter(({ name }) => name !== 'kcat' && !name.startsWith('logfleet'));
  const best = (pick: (speed: Speed) => number) => Math.max(...peers.map(pick));
  const ratio = (own: number | undefined, other: number | undefined) => (own ?? Number.NaN) / (other ?? Number.NaN);
  const [lean, full, kcat] = [of('logfleet-lean'), of('logfleet'), of('kcat')];
  return [
    { goal: 'backlog, headers none: of kcat', measured: ratio(lean?.mibPerSecond, kcat?.mibPerSecond), atLeast: 0.9 },
    {
      goal: 'backlog, headers standard: of kcat',
      measured: ratio(full?.mibPerSecond, kcat?.mibPerSecond),
      atLeast: 0.6,
    },
    {
      goal: "backlog, headers none: of the best peer's speed",
      measured: ratio(
        lean?.mibPerSecond,
        best((speed) => speed.mibPerSecond),
      ),
      atLeast: 2,
    },
    {
      goal: "backlog, headers none: of the best peer's MiB per CPU-second",
      measured: ratio(
        lean?.mibPerCpuSecond,
        best((speed) => speed.mibPerCpuSecond),
      ),
      atLeast: 2,
    },
    {
      goal: 'backlog: peak RSS, MiB',
      measured: Math.max(full?.peakRssMib ?? Number.NaN, lean?.peakRssMib ?? Number.NaN),
      atMost: 200,
    },
  ];
}

function steadyGoals({ delay, idle, outage }: Figures): Goal[] {
  const p99 = Object.entries(delay?.results ?? {}).map(([name, { delays }]) => ({
    name,
    p99: delays?.p99 ?? Number.NaN,
  }));
  const own = p99.find(({ name }) => name === 'logfleet')?.p99 ?? Number.NaN;
  const peers = p99.filter(({ name, p99: value }) => name !== 'logfleet' && !Number.isNaN(value));
  const idling = idle?.results['logfleet'];
  const starts = Math.max(idling?.firstStartSeconds ?? Number.NaN, idling?.secondStartSeconds ?? Number.NaN);
  return [
    { goal: 'delay: p99, ms', measured: own, atMost: 50 },
    { goal: "delay: p99, of the best peer's", measured: own / Math.min(...peers.map((peer) => peer.p99)), atMost: 1 },
    { goal: '20,000 idle files: CPU, % of a core', measured: idling?.load?.cpuPercent ?? Number.NaN, atMost: 3 },
    { goal: '20,000 idle files: peak RSS, MiB', measured: idling?.load?.peakRssMib ?? Number.NaN, atMost: 200 },
    { goal: '20,000 idle files: start, s, the slower of first and second', measured: starts, atMost: 5 },
    {
      goal: 'outage with 1,000 busy files: peak RSS, MiB',
      measured: outage?.results['logfleet']?.peakRssMib ?? Number.NaN,
      atMost: 200,
    },
  ];
}

function growthGoals({ scaling }: Figures): Goal[] {
  const worst = (unit: string) => {
    const exponents = scaling?.exponents[unit];
    // JSON writes NaN as null.
    return Math.max(exponents?.fitted ?? Number.NaN, exponents?.last ?? Number.NaN);
  };
  return [
    { goal: 'CPU by bytes: exponent', measured: worst('MiB'), atMost: LINEAR_MAX },
    { goal: 'CPU by files: exponent', measured: worst('files'), atMost: N_LOG_N_MAX },
  ];
}

/** From issue 6: 10,000 agents on one controller. */
function fleetGoals({ fleet }: Figures): Goal[] {
  const whole = fleet?.steps.find(({ agents }) => agents === 10_000);
  const none = Number.NaN;
  const { writesPerSecond: writes, failover } = whole ? (fleet ?? {}) : {};
  const backSeconds = failover && 'backSeconds' in failover ? failover.backSeconds : none;
  return [
    { goal: '10,000 agents: RSS, MiB', measured: whole?.steady.controllerRssMib ?? none, atMost: 1024 },
    { goal: '10,000 agents: CPU, cores', measured: whole?.steady.controllerCores ?? none, atMost: 0.6 },
    { goal: '10,000 agents: update acknowledged by all, ms', measured: whole?.update.max ?? none, atMost: 2_000 },
    { goal: '10,000 agents: ListAgents p99, ms', measured: whole?.list.p99 ?? none, atMost: 100 },
    {
      goal: '10,000 agents: all reconnected after the death of a controller, s',
      measured: backSeconds,
      atMost: 30,
    },
    {
      goal: '10,000 agents: entry writes per second',
      measured: typeof writes === 'number' ? writes : none,
      atLeast: 1_000,
    },
  ];
}

/** Writes the section that compares the goals with the latest figures. */
export async function writeGoals(out: string): Promise<void> {
  const names = ['backlog', 'delay', 'idle', 'outage', 'scaling', 'fleet'];
  const read = await Promise.all(
    names.map(async (name) => [name, await readFigures(join(out, 'results', `${name}.json`))]),
  );
  const figures = Object.fromEntries(read.filter(([, content]) => content !== undefined)) as Figures &
    Record<string, { commit: string }>;
  const commits = new Set(Object.values(figures).map(({ commit }) => commit));
  const rows = goalsOf(figures).map(({ goal, measured, atLeast, atMost }) => {
    const reached = (atLeast ?? measured) <= measured && measured <= (atMost ?? measured);
    const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
    return [
      goal,
      wanted,
      decimals(measured),
      Number.isFinite(measured) ? (reached ? 'yes' : '**no**') : 'not measured',
    ];
  });
  const text = `From the figures below${commits.size > 1 ? `, which are of these commits: ${[...commits].join(', ')}` : ''}.

${table(['goal', 'wanted', 'measured', 'reached'], rows)}

Goals that are not reached, the reasons, and what was tried: [decision 10](../docs/decisions/0010-many-files.md) (delay, idle files), [decision 14](../docs/decisions/0014-ten-thousand-agents.md) (agents).`;
  await putSection('goals', text, out);
}

async function readFigures(file: string): Promise<object | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as object;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
