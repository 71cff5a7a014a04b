import { loadavg } from 'node:os';
import { ENTRIES } from '../fleet/entries.ts';
import {
  type Failover,
  type FleetFigures,
  measureFailover,
  measureFleet,
  measureReturn,
  measureWrites,
  type Return,
  type RunningFleet,
} from '../fleet/measure-fleet.ts';
import { orFailure } from '../measure/rounds.ts';
import { growthExponent, type Point } from '../measure/statistics.ts';
import { linePlot, tidy } from '../report/plot.ts';
import { decimals, type Report, whole, writeReport } from '../report/report.ts';
import type { ServerlessWorkload } from './workload.ts';

const AGENTS = 10_000;
/** Growth is measured at these shares of the whole fleet. */
const STEPS = [0.1, 0.3, 1];
/** Smaller fleets say nothing about growth. */
const GROWING = 1_000;
const SECONDS = 30;
const UPDATES = 10;
const LISTS = 200;
const WRITES = 5_000;

/** Measured with the whole fleet only. What did not finish has the reason. */
interface Faults {
  writesPerSecond: number | { failure: string };
  returned: Return | { failure: string };
  failover: Failover | { failure: string };
}

export const fleet: ServerlessWorkload = {
  name: 'fleet',
  about: `a controller with ${whole(AGENTS)} agents: CPU, memory, updates, deaths (--agents N for another fleet)`,
  runAlone: async (options) => {
    const agents = options.agents ?? AGENTS;
    const sizes = agents < GROWING ? [agents] : STEPS.map((share) => Math.round(agents * share));
    const steps: FleetFigures[] = [];
    let faults: Faults | undefined;
    for (const size of sizes) {
      const { seconds = SECONDS, rounds = UPDATES, say } = options;
      const sized = { agents: size, seconds, updates: rounds, lists: LISTS, say };
      const step = await measureFleet(sized, async (on) => {
        if (size === agents) faults = await measureFaults(on);
      });
      steps.push(step);
    }
    await writeReport(reportOf(steps, faults as Faults), [], options);
  },
};

async function measureFaults(on: RunningFleet): Promise<Faults> {
  const writesPerSecond = await orFailure(() => measureWrites(on, WRITES));
  const returned = await orFailure(() => measureReturn(on));
  return { writesPerSecond, returned, failover: await orFailure(() => measureFailover(on)) };
}

function reportOf(steps: readonly FleetFigures[], faults: Faults): Report {
  const last = steps.at(-1) as FleetFigures;
  return {
    workload: 'fleet',
    besides: 'The whole fleet with etcd',
    text: `One controller, one etcd, and ${ENTRIES} entries of which each agent has 20. Two processes simulate the agents: each agent has its own connection and the link of a real agent, but no files. Each reports every 10 s that its 20 files have grown.

An update changes an entry that all agents have. Its time is measured from before the call until an agent reports that it has applied it; afterwards the bench checks that the controller knows. ListAgents lists the agents of one role. CPU is in cores; the simulated agents use the same two cores.`,
    head: [
      'agents',
      'connected, s',
      'controller CPU',
      'controller RSS, MiB',
      'etcd CPU',
      'etcd RSS, MiB',
      'load CPU',
      'update p50, ms',
      'p99',
      'max',
      'update, CPU s (load)',
      'ListAgents p50, ms',
      'p99',
    ],
    rows: steps.map(rowOf),
    plots: steps.length > 1 ? [plotOf(steps)] : [],
    remarks: [
      ...(steps.length > 1 ? [growthOf(steps)] : []),
      ...faultsOf(last.agents, faults),
      `Load averages of the machine at the end, for 1, 5 and 15 minutes: ${loadavg()
        .map((load) => decimals(load, 1))
        .join(', ')}.`,
    ],
    figures: { steps, ...faults },
  };
}

function faultsOf(agents: number, { writesPerSecond: writes, returned, failover }: Faults): string[] {
  const failed = (what: string, { failure }: { failure: string }) => `${what}: failed: ${failure}.`;
  return [
    typeof writes === 'object'
      ? failed('Writes', writes)
      : `With all ${whole(agents)} connected, 64 callers write ${whole(writes)} entries a second.`,
    'failure' in returned
      ? failed('All agents killed', returned)
      : `All agents killed (kill -9): after ${decimals(returned.goneSeconds, 1)} s none is shown as live. Started again, all are connected after ${decimals(returned.backSeconds, 1)} s.`,
    'failure' in failover
      ? failed('One of two controllers killed', failover)
      : `One of two controllers killed (kill -9): after ${decimals(failover.backSeconds, 1)} s its ${whole(failover.moved)} agents are connected to the other.`,
  ];
}

function rowOf({ agents, connectSeconds, steady, update, updateCpuSeconds, list }: FleetFigures): string[] {
  return [
    ...[whole(agents), decimals(connectSeconds, 1), decimals(steady.controllerCores), whole(steady.controllerRssMib)],
    ...[decimals(steady.etcdCores, 3), whole(steady.etcdRssMib), decimals(steady.loadCores)],
    ...[whole(update.p50), whole(update.p99), whole(update.max)],
    `${decimals(updateCpuSeconds.controller, 1)} (${decimals(updateCpuSeconds.load, 1)})`,
    ...[decimals(list.p50, 1), decimals(list.p99, 1)],
  ];
}

function growthOf(steps: readonly FleetFigures[]): string {
  const cpu = exponentOf(steps, ({ steady }) => steady.controllerCores);
  const rss = exponentOf(steps, ({ steady }) => steady.controllerRssMib);
  return `The controller's CPU grows with the number of agents to the power of ${decimals(cpu)}, its RSS to the power of ${decimals(rss)}.`;
}

function exponentOf(steps: readonly FleetFigures[], pick: (step: FleetFigures) => number): number {
  return growthExponent(steps.map((step) => ({ x: step.agents, y: pick(step) })));
}

function plotOf(steps: readonly FleetFigures[]) {
  const points = (pick: (step: FleetFigures) => number): Point[] =>
    steps.map((step) => ({ x: step.agents, y: pick(step) }));
  const last = steps.at(-1) as FleetFigures;
  const title = 'One controller by agents';
  const lines = [
    { label: 'controller, % of a core', points: points(({ steady }) => 100 * steady.controllerCores) },
    { label: 'controller RSS, MiB', points: points(({ steady }) => steady.controllerRssMib) },
    { label: 'update p99, ms', points: points(({ update }) => update.p99) },
    {
      label: 'linear, through the last CPU',
      guide: true,
      points: points(({ agents }) => (100 * last.steady.controllerCores * agents) / last.agents),
    },
  ];
  const svg = linePlot(title, { label: 'agents', tick: whole }, { label: '%, MiB, ms', tick: tidy }, lines);
  return { name: 'fleet', title, svg };
}
