import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startAgent } from '../../support/agents.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { runCommand } from '../../support/run-command.ts';
import { sharedEtcd, sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };

test('get agents shows whether an agent is live, paused, drained or lost, as JSON too, and a lost agent has no rates', async () => {
  await using running = await startController(await sharedEtcd(), newPrefix());
  await using dir = await tempDir();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await writeFile(dir.at('a.log'), 'one\n');
  await run(['apply', '-f', '-'], `{name: app, paths: ["${dir.at('*.log')}"], topic: ${topic}, start: beginning}`);
  await using agent = startAgent({ id: 'web-1', controller: running.address, kafka, state: dir.at('state') });
  const shows = (status: string) =>
    eventually(async () => {
      assert.match((await run(['get', 'agents'])).stdout, new RegExp(`\\nweb-1 +${status} `));
      const { agents } = JSON.parse((await run(['get', 'agents', '-o', 'json'])).stdout);
      assert.equal(agents[0].status, status);
    }, PATIENCE);
  await shows('Live');
  await run(['pause', 'agent', 'web-1']);
  await shows('Paused');
  await run(['resume', 'agent', 'web-1']);
  assert.deepEqual(await run(['drain', 'agent', 'web-1']), { code: 0, stdout: 'agent/web-1 draining\n', stderr: '' });
  await shows('Drained');
  await run(['resume', 'agent', 'web-1']);
  await shows('Live');
  await agent.kill('SIGKILL');
  await shows('Lost');
  const { stdout } = await run(['get', 'agents', '-o', 'wide']);
  const [titles = [], cells = []] = stdout.split('\n').map((line) => line.split(/ {3,}/));
  const cell = (title: string) => cells[titles.indexOf(title)];
  for (const title of ['LINES/S', 'BYTES/S', 'CPU', 'MEMORY', 'UP']) assert.equal(cell(title), '-', title);
  const { health } = await running.api.call('FleetService', 'GetAgent', { name: 'agents/web-1' });
  assert.deepEqual([health.bytes_per_second, health.lines_per_second, health.cpu_cores], [0, 0, 0]);
});
