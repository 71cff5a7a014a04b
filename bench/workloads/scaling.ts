import { accessLog } from '../inputs/line-kinds.ts';
import { carry, type Pass } from '../measure/carry.ts';
import type { Fixture } from '../measure/fixture.ts';
import type { BenchOptions } from '../measure/options.ts';
import { growthExponent, median, type Point } from '../measure/statistics.ts';
import { linePlot, tidy } from '../report/plot.ts';
import { decimals, whole, writeReport } from '../report/report.ts';
import type { Tool } from '../tools/tool.ts';
import type { Workload } from './workload.ts';

const MIB = [64, 128, 256, 512, 1024];
const FILES = [100, 500, 2_000, 5_000, 20_000];
const FILE_BYTES = 4096;
const ROUNDS = 2;

interface Step {
  /** In MiB or files. */
  size: number;
  seconds: number;
  cpuSeconds: number;
  peakRssMib: number;
  passes: Pass[];
}

interface Series {
  unit: string;
  steps: Step[];
}

export const scaling: Workload = {
  name: 'scaling',
  about: `how cost grows: one file of ${MIB[0]} to ${MIB.at(-1)} MiB, and ${FILES[0]} to ${whole(FILES.at(-1) as number)} files of 4 KiB`,
  run: async (fixture, options) => {
    const tool = options.tools.find(({ name }) => name.startsWith('logfleet'));
    if (!tool) return options.say('scaling: left out: it measures logfleet only');
    const most = options.mib ?? Number.POSITIVE_INFINITY;
    const mib = MIB.filter((size) => size <= most);
    const files = FILES.filter((count) => (count * FILE_BYTES) / 2 ** 20 <= most);
    const series = [
      await measure(fixture, options, tool, {
        unit: 'MiB',
        sizes: mib,
        files: () => 1,
        bytes: (size) => size * 2 ** 20,
      }),
      await measure(fixture, options, tool, {
        unit: 'files',
        sizes: files,
        files: (size) => size,
        bytes: (size) => size * FILE_BYTES,
      }),
    ];
    const rows = series.flatMap(({ unit, steps }) =>
      steps.map(({ size, seconds, cpuSeconds, peakRssMib }) => [
        `${whole(size)} ${unit}`,
        decimals(seconds),
        decimals(cpuSeconds),
        whole(peakRssMib),
      ]),
    );
    const report = {
      workload: 'scaling',
      text: `${tool.label}: one access log of growing size, and a growing number of files of 4 KiB, from the start of the process until the topic has all records. Medians of ${options.rounds ?? ROUNDS} runs. Both axes of the plots are logarithmic: a line as steep as the thin one is linear growth, a flatter one is slower.`,
      head: ['size', 'seconds', 'CPU seconds', 'peak RSS, MiB'],
      rows,
      plots: series.map(plotOf),
      remarks: series.map(({ unit, steps }) => growthOf(unit, steps)),
      figures: {
        tool: tool.name,
        series,
        exponents: Object.fromEntries(series.map(({ unit, steps }) => [unit, exponentsOf(steps)])),
      },
    };
    await writeReport(report, [tool], options);
  },
};

interface Growing {
  unit: string;
  sizes: readonly number[];
  files(size: number): number;
  bytes(size: number): number;
}

async function measure(fixture: Fixture, options: BenchOptions, tool: Tool, growing: Growing): Promise<Series> {
  const steps: Step[] = [];
  for (const size of growing.sizes) {
    const input = await fixture.input('growing', accessLog, growing.files(size), growing.bytes(size));
    const passes: Pass[] = [];
    for (let round = 0; round < (options.rounds ?? ROUNDS); round++) {
      const pass = await carry(fixture, tool, input, { task: 'lines', compression: 'lz4' });
      if (pass.failure !== undefined) throw new Error(`scaling, ${size} ${growing.unit}: ${pass.failure}`);
      passes.push(pass);
    }
    const of = (pick: (pass: Pass) => number) => median(passes.map(pick));
    const seconds = of((pass) => pass.seconds);
    options.say(`scaling: ${whole(size)} ${growing.unit} in ${decimals(seconds)} s`);
    steps.push({
      size,
      seconds,
      cpuSeconds: of((pass) => pass.cpuSeconds),
      peakRssMib: of((pass) => pass.peakRssMib),
      passes,
    });
    fixture.forgetInputs();
  }
  return { unit: growing.unit, steps };
}

export interface Exponents {
  /** The exponent of CPU seconds over all sizes. The cost of the start makes it smaller. */
  fitted: number;
  /** The exponent between the two largest sizes, where the start matters least. */
  last: number;
}

export function exponentsOf(steps: readonly Pick<Step, 'size' | 'cpuSeconds'>[]): Exponents {
  const points = steps.map(({ size, cpuSeconds }) => ({ x: size, y: cpuSeconds }));
  return { fitted: growthExponent(points), last: growthExponent(points.slice(-2)) };
}

function growthOf(unit: string, steps: readonly Step[]): string {
  const { fitted, last } = exponentsOf(steps);
  return `CPU seconds grow with ${unit} to the power of ${decimals(fitted)}, fitted over all sizes, and of ${decimals(last)} between the last two.`;
}

function plotOf({ unit, steps }: Series) {
  const points = (pick: (step: Step) => number): Point[] => steps.map((step) => ({ x: step.size, y: pick(step) }));
  const last = steps.at(-1) as Step;
  const title = unit === 'MiB' ? 'Cost by bytes, one file' : 'Cost by files of 4 KiB';
  const svg = linePlot(title, { label: unit, tick: whole }, { label: 'seconds', tick: tidy }, [
    { label: 'seconds until the topic has all records', points: points(({ seconds }) => seconds) },
    { label: 'CPU seconds', points: points(({ cpuSeconds }) => cpuSeconds) },
    {
      label: 'linear, through the last CPU seconds',
      guide: true,
      points: points(({ size }) => (last.cpuSeconds * size) / last.size),
    },
  ]);
  return { name: `scaling-${unit.toLowerCase()}`, title, svg };
}
