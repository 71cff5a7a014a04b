import { join } from 'node:path';
import { errorText } from '../runtime/errors.ts';
import { buildPeers } from './build-peers.ts';
import { HELP, readOptions } from './command-line.ts';
import { startGround } from './ground.ts';
import { writeTools } from './report.ts';
import { findTools } from './tools/find-tools.ts';
import { workloads } from './workloads/list.ts';

async function main(): Promise<void> {
  const line = readOptions(process.argv.slice(2));
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  if (line.action === 'help') return say(HELP);
  if (line.action === 'list') return say(workloads.map(({ name, about }) => `${name.padEnd(16)} ${about}`).join('\n'));
  if (line.action === 'build-peers') return buildPeers(say);
  const found = await findTools(line.tools, line.filebeat);
  for (const name of found.missing) say(`not on this machine: ${name}`);
  const options = { ...line, ...found, out: line.out ?? import.meta.dirname, say };
  await using ground = await startGround();
  await writeTools(options);
  for (const workload of line.workloads) {
    await workload.run(ground, options);
    ground.forgetInputs();
  }
  say(`written: ${join(options.out, 'RESULTS.md')}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${errorText(error)}\n`);
  process.exitCode = 1;
}
