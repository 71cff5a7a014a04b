import type { Measurement } from './measure.ts';
import { describeMachine, putSection, saveFigures } from './results-file.ts';

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

/** Writes bench/results/<workload>.json, the raw figures, and the workload's section of bench/RESULTS.md. */
export async function writeResults(results: Results): Promise<void> {
  await saveFigures(results.workload, results);
  const text = render(results);
  await putSection(results.workload, text);
  process.stdout.write(text);
}

function render({ rounds, mib, lines, rows }: Results): string {
  const table = rows.map(
    (row) =>
      `| ${row.name} | ${row.mibPerSecond.toFixed(0)} | ${row.ratio?.toFixed(2) ?? '-'} | ${row.mibPerCpuSecond.toFixed(0)} | ${row.peakRssMib.toFixed(0)} |`,
  );
  return `Made by \`npm run bench -- throughput\` on ${new Date().toISOString().slice(0, 10)}, on ${describeMachine()}; broker and tools run on it together.

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
