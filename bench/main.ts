import { join } from 'node:path';
import { errorText } from '../runtime/errors.ts';
import { buildPeers } from './build-peers.ts';
import { HELP, readOptions } from './command-line.ts';
import { writeGoals } from './goals.ts';
import { startFixture } from './measure/fixture.ts';
import type { BenchOptions } from './measure/options.ts';
import { quick } from './quick.ts';
import { writeTools } from './report/report.ts';
import { findTools } from './tools/find-tools.ts';
import { workloads } from './workloads/list.ts';

const QUICK_TOOLS = ['logfleet', 'logfleet-lean', 'kcat'];

async function main(): Promise<void> {
  const line = readOptions(process.argv.slice(2));
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  if (line.action === 'help') return say(HELP);
  if (line.action === 'list') return say(workloads.map(({ name, about }) => `${name.padEnd(16)} ${about}`).join('\n'));
  if (line.action === 'build-peers') return buildPeers(say);
  const quickOnly = line.action === 'quick';
  const found = await findTools(quickOnly ? QUICK_TOOLS : line.tools, line.filebeat);
  for (const name of found.missing) say(`not on this machine: ${name}`);
  const withoutBroker = line.workloads.flatMap((workload) => ('runAlone' in workload ? workload : []));
  const options = { ...line, ...found, out: line.out ?? import.meta.dirname, say };
  if (quickOnly && !found.tools.some(({ name }) => name === 'kcat')) return say('quick needs kcat to compare with');
  if (!quickOnly) {
    for (const workload of withoutBroker) await workload.runAlone(options);
    if (withoutBroker.length === line.workloads.length) return finish(options);
  }
  await using fixture = await startFixture();
  if (quickOnly) {
    if (!(await quick(fixture, options, line.record))) process.exitCode = 1;
    return;
  }
  await writeTools(options);
  for (const workload of line.workloads) if ('run' in workload) await workload.run(fixture, options);
  await finish(options);
}

async function finish({ out, say }: BenchOptions): Promise<void> {
  await writeGoals(out);
  say(`written: ${join(out, 'RESULTS.md')}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${errorText(error)}\n`);
  process.exitCode = 1;
}
