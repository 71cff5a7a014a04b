import {
  accessLog,
  filteredLog,
  jsonLines,
  type LineKind,
  loghubMix,
  longLines,
  shortLines,
  stackTraces,
} from '../inputs/line-kinds.ts';
import type { Input } from '../inputs/write-input.ts';
import { type Carried, carry, type Pass } from '../measure/carry.ts';
import { alternate, type ToolRuns } from '../measure/rounds.ts';
import { median } from '../measure/statistics.ts';
import { barPlot } from '../report/plot.ts';
import { decimals, type Report, whole, writeReport } from '../report/report.ts';
import type { Workload } from './workload.ts';

interface Plan extends Carried {
  name: string;
  about: string;
  kind: LineKind | undefined;
  /** The name of the input. Inputs of one name are written once. */
  input: string;
  files: number;
  mib: number;
  rounds: number;
}

/**
 * Large enough that the start is a small part, small enough that the slowest peer ends within
 * minutes.
 */
const USUAL = {
  kind: accessLog,
  input: 'access',
  files: 1,
  mib: 96,
  rounds: 3,
  task: 'lines',
  compression: 'lz4',
} as const;

const PLANS: readonly Plan[] = [
  { ...USUAL, name: 'backlog', about: 'one large access log', mib: 256, rounds: 5 },
  { ...USUAL, name: 'files', about: '1,000 files of up to 1 MiB each', files: 1_000, mib: 1_000, rounds: 1 },
  { ...USUAL, name: 'long-lines', about: 'lines of 16 KiB', kind: longLines, input: 'long' },
  { ...USUAL, name: 'short-lines', about: 'lines of 20 bytes', kind: shortLines, input: 'short', mib: 32 },
  {
    ...USUAL,
    name: 'loghub',
    about: 'real logs of 13 systems, line by line in turn',
    kind: loghubMix(),
    input: 'loghub',
  },
  { ...USUAL, name: 'multiline', about: 'stack traces', kind: stackTraces, input: 'traces', task: 'multiline' },
  {
    ...USUAL,
    name: 'json',
    about: 'JSON lines; those of level debug are dropped',
    kind: jsonLines,
    input: 'json',
    task: 'json',
  },
  {
    ...USUAL,
    name: 'filter',
    about: 'an access log; lines with " 404 " are dropped',
    kind: filteredLog,
    input: 'filter',
    task: 'filter',
  },
  { ...USUAL, name: 'no-compression', about: 'an access log, without compression', compression: 'none' },
  { ...USUAL, name: 'zstd', about: 'an access log, with zstd', compression: 'zstd' },
];

export const throughputWorkloads: Workload[] = PLANS.map((plan) => ({
  name: plan.name,
  about: plan.about,
  run: async (fixture, options) => {
    if (!plan.kind) {
      options.say(`${plan.name}: left out: its data set is not beside this checkout`);
      return;
    }
    const mib = options.mib ?? plan.mib;
    const input = await fixture.input(plan.input, plan.kind, plan.files, mib * 2 ** 20);
    const tools = options.tools.filter((tool) => tool.does({ ...plan, complete: true }, plan.files));
    const runs = await alternate(tools, options.rounds ?? plan.rounds, async (tool, round) => {
      const pass = await carry(fixture, tool, input, plan, round === 0);
      options.say(`${plan.name}, round ${round}: ${tool.name.padEnd(14)} ${summaryOf(pass, input)}`);
      return pass;
    });
    await writeReport(reportOf(plan, input, runs), tools, options);
  },
}));

function summaryOf(pass: Pass, { bytes }: Input): string {
  return pass.failure ?? `${whole(bytes / 2 ** 20 / pass.seconds)} MiB/s`;
}

export interface Speed {
  name: string;
  label: string;
  mibPerSecond: number;
  mibPerCpuSecond: number;
  peakRssMib: number;
}

/** The medians of the tools that finished. */
export function speedsOf(runs: readonly ToolRuns<Pass>[], { bytes }: Pick<Input, 'bytes'>): Speed[] {
  const mib = bytes / 2 ** 20;
  return runs
    .filter((own) => own.runs.length > 0)
    .map(({ tool: { name, label }, runs: passes }) => ({
      name,
      label,
      mibPerSecond: mib / median(passes.map(({ seconds }) => seconds)),
      mibPerCpuSecond: mib / median(passes.map(({ cpuSeconds }) => cpuSeconds)),
      peakRssMib: median(passes.map(({ peakRssMib }) => peakRssMib)),
    }));
}

function roundsText(rounds: number): string {
  return rounds === 1 ? 'One round' : `Medians of ${whole(rounds)} rounds that alternate between the tools`;
}

function reportOf(plan: Plan, input: Input, runs: readonly ToolRuns<Pass>[]): Report {
  const speeds = speedsOf(runs, input);
  const ofKcat = ratiosTo(speeds, (speed) => speed.name === 'kcat');
  const rows = runs.map(({ tool, first, failure }) => {
    const speed = speeds.find(({ name }) => name === tool.name);
    const figures = speed
      ? [
          whole(speed.mibPerSecond),
          whole((speed.mibPerSecond * 2 ** 20 * input.records) / input.bytes),
          decimals(ofKcat(speed)),
          whole(speed.mibPerCpuSecond),
          whole(speed.peakRssMib),
        ]
      : ['-', '-', '-', '-', '-'];
    return [
      tool.label,
      ...figures,
      failure?.slice(0, 160) ??
        (first.faithful
          ? tool.quotes
            ? 'each line once, in quotes'
            : 'each line once, unaltered'
          : alteredBy(first, input)),
    ];
  });
  const bars = speeds.map(({ label, mibPerSecond }) => ({ label, value: mibPerSecond }));
  const title = `${plan.name}: ${plan.about}`;
  return {
    workload: plan.name,
    text: `Input: ${plan.about}, ${whole(input.bytes / 2 ** 20)} MiB in ${whole(input.files)} ${input.files === 1 ? 'file' : 'files'}, from which ${whole(input.records)} records must arrive; ${plan.compression === 'none' ? 'no compression' : plan.compression}, one topic with 4 partitions. Measured from the start of the process until the topic has all records. ${roundsText(Math.max(...runs.map((own) => own.runs.length)))}, after a warm-up round in which the topic is read back and compared with the lines.`,
    head: ['tool', 'MiB/s', 'records/s', "of kcat's speed", 'MiB per CPU-second', 'peak RSS, MiB', 'what arrived'],
    rows,
    plots: [{ name: plan.name, title, svg: barPlot(title, 'MiB/s', bars) }],
    remarks: besidePeers(speeds),
    figures: {
      input,
      rounds: Object.fromEntries(runs.map((own) => [own.tool.name, { ...own, tool: undefined }])),
      speeds,
    },
  };
}

function alteredBy(first: Pass, input: Input): string {
  const more = first.records - input.records;
  if (more === 0) return 'all records, some of them altered';
  return more > 0 ? `${whole(more)} records too many` : `${whole(-more)} records missing`;
}

/** Each tool's speed as a share of one tool's. */
export function ratiosTo(
  speeds: readonly Speed[],
  isBase: (speed: Speed) => boolean,
): (speed: Speed) => number | undefined {
  const base = speeds.find(isBase);
  return ({ mibPerSecond }) => (base ? mibPerSecond / base.mibPerSecond : undefined);
}

/** Compares logfleet with the best peers that follow files. */
function besidePeers(speeds: readonly Speed[]): string[] {
  const peers = speeds.filter(({ name }) => name !== 'kcat' && !name.startsWith('logfleet'));
  if (peers.length === 0) return [];
  const best = (pick: (speed: Speed) => number) => peers.toSorted((a, b) => pick(b) - pick(a))[0] as Speed;
  const fastest = best(({ mibPerSecond }) => mibPerSecond);
  const thriftiest = best(({ mibPerCpuSecond }) => mibPerCpuSecond);
  return speeds
    .filter(({ name }) => name.startsWith('logfleet'))
    .map(
      ({ label, mibPerSecond, mibPerCpuSecond }) =>
        `${label}: ${decimals(mibPerSecond / fastest.mibPerSecond)} times the speed of the best peer that follows files (${fastest.label}), ${decimals(mibPerCpuSecond / thriftiest.mibPerCpuSecond)} times the MiB per CPU-second (${thriftiest.label}).`,
    );
}
