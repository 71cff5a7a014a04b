import { writeFile } from 'node:fs/promises';
import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startCluster } from './cluster.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { type RunResult, runChaos } from './run.ts';
import { buildSchedule, faultText } from './schedule.ts';
import { verdictText } from './verdict.ts';

const startMs = systemClock.monotonicMs();
const say = (line: string) =>
  process.stderr.write(`[${((systemClock.monotonicMs() - startMs) / 1000).toFixed(1).padStart(6)}] ${line}\n`);

async function main(options: Options): Promise<RunResult> {
  const { seed, minutes, kills, kinds, brokers } = options;
  const dir = await tempDir('chaos');
  let keep = true;
  try {
    const durationMs = minutes * 60_000;
    const schedule = buildSchedule({ seed, durationMs, kills, kinds, brokers });
    await writeFile(dir.at('schedule.txt'), schedule.map((fault) => `${faultText(fault)}\n`).join(''));
    say(`seed ${seed}, ${minutes} min, ${schedule.length} faults; the schedule is ${dir.at('schedule.txt')}`);
    await using cluster = await startCluster(dir, brokers, say);
    say(`etcd, ${brokers} brokers behind proxies and a controller are up`);
    const result = await runChaos(cluster, dir, { ...options, durationMs, schedule, text: 'wild' }, say);
    keep = options.keep || !result.verdict.ok;
    return result;
  } finally {
    if (keep) say(`kept: ${dir.path}`);
    else await dir[Symbol.asyncDispose]();
  }
}

try {
  const options = readOptions(process.argv.slice(2), systemClock.nowMs());
  if (options.help) process.stdout.write(HELP);
  else {
    const { collector, kills, faults, endedByItself, settledSeconds, verdict } = await main(options);
    const came = Object.entries(faults).map(([kind, count]) => `${kind} ${count}`);
    process.stdout.write(`
seed ${options.seed}: ${collector}, ${kills} kills, ended by itself ${endedByItself} times; faults: ${came.join(', ')}
the last line came ${settledSeconds.toFixed(1)} s after the last fault
${verdictText(verdict)}`);
    process.exitCode = verdict.ok ? 0 : 1;
  }
} catch (error) {
  process.stderr.write(`chaos: ${errorText(error)}\n`);
  process.exitCode = 2;
}
