import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Measurement } from './measure.ts';

export interface Row {
  name: string;
  mibPerSecond: number;
  /** This tool's speed over kcat's; undefined without kcat. */
  ratio: number | undefined;
  mibPerCpuSecond: number;
  peakRssMib: number;
}

export interface Results {
  workload: string;
  rounds: number;
  mib: number;
  lines: number;
  rows: Row[];
  raw: Record<string, Measurement[]>;
}

/** Writes bench/results/<workload>.json, the raw figures, and bench/RESULTS.md, the table. */
export async function writeResults(results: Results): Promise<void> {
  const machine = describeMachine();
  await mkdir(join(import.meta.dirname, 'results'), { recursive: true });
  const raw = { date: new Date().toISOString(), machine, ...results };
  await writeFile(
    join(import.meta.dirname, 'results', `${results.workload}.json`),
    `${JSON.stringify(raw, undefined, 2)}\n`,
  );
  const text = render(results, machine);
  await writeFile(join(import.meta.dirname, 'RESULTS.md'), text);
  process.stdout.write(text);
}

function render({ rounds, mib, lines, rows }: Results, machine: string): string {
  const table = rows.map(
    (row) =>
      `| ${row.name} | ${row.mibPerSecond.toFixed(0)} | ${row.ratio?.toFixed(2) ?? '-'} | ${row.mibPerCpuSecond.toFixed(0)} | ${row.peakRssMib.toFixed(0)} |`,
  );
  return `# Results

Made by \`npm run bench -- throughput\` on ${new Date().toISOString().slice(0, 10)}; the raw figures are in \`bench/results/\`. Figures of a shared machine are noisy: read the
ratios, which are of one run.

Machine: ${machine}. Broker and tools run on it together.

## throughput

One access log of ${mib} MiB (${lines.toLocaleString('en-US')} lines), one process, one topic with 4 partitions, lz4, acks=all; from the start of the process to
its end, which is after the last acknowledgement; start-up included. Medians of ${rounds} rounds that alternate between the tools, after one that does not count. Every
run's records are counted.

| tool | MiB/s | of kcat's speed | MiB per CPU-second | peak RSS, MiB |
|---|---|---|---|---|
${table.join('\n')}

logfleet with \`headers: standard\` writes five headers with every record, about 150 bytes beside a line of 190: what makes exactly once provable.
With \`headers: none\` its records are as lean as kcat's.
`;
}

function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  return `${cpus().length} cores of ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${kernel}, Node.js ${process.versions.node}`;
}
