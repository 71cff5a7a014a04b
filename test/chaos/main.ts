import { writeFile } from 'node:fs/promises';
import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startCluster } from './cluster.ts';
import { filesMain } from './files/main.ts';
import { logfleet } from './logfleet.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { lookForPeers } from './peers.ts';
import { saveChaos } from './results.ts';
import { rsyslog } from './rsyslog.ts';
import { type RunResult, runChaos } from './run.ts';
import { buildSchedule, faultText } from './schedule.ts';
import { verdictText } from './verdict.ts';

const startMs = systemClock.monotonicMs();
const say = (line: string) =>
  process.stderr.write(`[${((systemClock.monotonicMs() - startMs) / 1000).toFixed(1).padStart(6)}] ${line}\n`);

async function main(options: Options): Promise<RunResult[]> {
  const { seed, minutes, kills, kinds, brokers, peer } = options;
  if (peer) say(await lookForPeers(peer));
  const dir = await tempDir('chaos');
  let keep = true;
  try {
    const durationMs = minutes * 60_000;
    const schedule = buildSchedule({ seed, durationMs, kills, kinds, brokers });
    await writeFile(dir.at('schedule.txt'), schedule.map((fault) => `${faultText(fault)}\n`).join(''));
    say(`seed ${seed}, ${minutes} min, ${schedule.length} faults; the schedule is ${dir.at('schedule.txt')}`);
    await using cluster = await startCluster(dir, brokers, say);
    say(`etcd, ${brokers} brokers behind proxies and a controller are up`);
    const results: RunResult[] = [];
    for (const collector of peer ? [logfleet, rsyslog] : [logfleet]) {
      const own = { at: (...parts: string[]) => dir.at(collector.name, ...parts) };
      const text = peer ? 'plain' : 'wild';
      const result = await runChaos(cluster, own, { ...options, durationMs, schedule, text, collector }, say);
      process.stdout.write(resultText(seed, result));
      results.push(result);
    }
    keep = options.keep || results[0]?.verdict.ok !== true;
    return results;
  } finally {
    if (keep) say(`kept: ${dir.path}`);
    else await dir[Symbol.asyncDispose]();
  }
}

function resultText(seed: number, result: RunResult): string {
  const { collector, kills, faults, endedByItself, settledSeconds, verdict } = result;
  const came = Object.entries(faults).map(([kind, count]) => `${kind} ${count}`);
  return `
seed ${seed}: ${collector}, ${kills} kills, ended by itself ${endedByItself} times; faults: ${came.join(', ')}
the last record was read back ${settledSeconds.toFixed(1)} s after the last line was written
${verdictText(verdict)}
`;
}

try {
  const args = process.argv.slice(2);
  const options = args.includes('--files') ? undefined : readOptions(args, systemClock.nowMs());
  if (!options) process.exitCode = await filesMain(args);
  else if (options.help) process.stdout.write(HELP);
  else {
    const results = await main(options);
    const command = `npm run chaos -- ${args.filter((arg) => arg !== '--save' && arg !== '--keep').join(' ')}`;
    if (options.save) await saveChaos(options.peer, command, { ...options, runs: results });
    process.exitCode = results[0]?.verdict.ok ? 0 : 1;
  }
} catch (error) {
  process.stderr.write(`chaos: ${errorText(error)}\n`);
  process.exitCode = 2;
}
