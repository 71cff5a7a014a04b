import assert from 'node:assert/strict';
import { appendFile, open, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, readTopic } from '../../support/topics.ts';

const PREALLOCATED_BYTES = 1024 * 1024;

test('files that are preallocated and not written yet, and such that are emptied, hold up no other file', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  const [mapped, emptied, other] = [dir.at('mapped.log'), dir.at('emptied.log'), dir.at('other.log')];
  for (const file of [mapped, emptied, other]) await writeFile(file, '');
  for (const file of [mapped, emptied]) await truncate(file, PREALLOCATED_BYTES);
  const entries = [{ name: 'e', paths: [dir.at('*.log')], topic, start: 'beginning' }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  const start = () => startProcess('agent/main.ts', [...args, '--scan-interval', '1s']);
  const arrive = (...lines: string[]) =>
    eventually(
      async () => assert.deepEqual((await readTopic(kafka, topic)).map(({ value }) => value.toString()).sort(), lines),
      { timeoutMs: 20_000 },
    );
  {
    await using agent = start();
    await appendFile(other, '1\n');
    await arrive('1');
    await agent.kill('SIGTERM');
  }
  await using agent = start();
  await appendFile(other, '2\n');
  await arrive('1', '2');
  await truncate(emptied);
  await appendFile(other, '3\n');
  await arrive('1', '2', '3');
  const fd = await open(mapped, 'r+');
  await fd.write('4\n', 0);
  await fd.close();
  await arrive('1', '2', '3', '4');
  await appendFile(emptied, '5\n');
  await arrive('1', '2', '3', '4', '5');
  await agent.kill('SIGTERM');
  assert.equal((await agent.exited).code, 0, agent.stderr());
});
