import { commitNow, describeMachine, putSection, saveFigures } from '../../bench/report/results-file.ts';
import type { RunResult } from './run.ts';

export interface ChaosFigures {
  seed: number;
  minutes: number;
  linesPerSecond: number;
  brokers: number;
  /** How each file was rotated. */
  rotations: readonly string[];
  runs: RunResult[];
}

/**
 * Writes bench/results/chaos….json and the section of bench/RESULTS.md. `peer` is the collector
 * measured beside logfleet.
 */
export async function saveChaos(peer: string | undefined, command: string, figures: ChaosFigures): Promise<void> {
  const name = peer === undefined ? 'chaos' : `chaos-${peer}`;
  await saveFigures(name, { command, ...figures });
  await putSection(peer === undefined ? 'chaos' : `chaos, beside ${peer}`, section(command, figures));
}

function section(command: string, { seed, minutes, linesPerSecond, brokers, rotations, runs }: ChaosFigures): string {
  const rows = runs.map(({ collector, kills, verdict: { total, foreign, tiling } }) => {
    const ranges = tiling.generations === 0 ? '-' : tiling.overlaps + tiling.misplaced + tiling.sealedWrong;
    const cells = [total.written, kills, total.lost, total.doubled, total.altered + foreign, total.declared, ranges];
    return `| ${[collector, ...cells.map((cell) => cell.toLocaleString('en-US'))].join(' | ')} |`;
  });
  const faults = Object.entries(runs[0]?.faults ?? {}).map(([kind, count]) => `${kind} ${count}`);
  return `Made by \`${command}\` on ${new Date().toISOString().slice(0, 10)}, commit ${commitNow()}, on ${describeMachine()}.

Seed ${seed}: for ${minutes} minutes, ${linesPerSecond.toLocaleString('en-US')} lines a second are written to ${rotations.length} files, which are rotated every few seconds (${[...new Set(rotations)].join(', ')}). One topic with 6 partitions on ${brokers} brokers. Faults: ${faults.join(', ')}. Afterwards the topic is read with kafkajs and compared with the written lines, one by one.

| collector | lines written | kill -9 of it | lost | doubled | altered | reported as loss | ranges that don't tile |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`;
}
