import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

test('with start: end ranges begin where reading began, across a kill, and verify says where and why', async () => {
  const kafka = await sharedKafka();
  const [topic, audit] = [await createTopic(kafka), await createTopic(kafka)];
  await using dir = await tempDir();
  const log = dir.at('app.log');
  await writeFile(log, 'not read\n');
  const entries = [{ name: 'app', paths: [log], topic, start: 'end' }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  const start = () => startProcess('agent/main.ts', [...args, '--audit-topic', audit]);
  {
    await using agent = start();
    await eventually(async () => assert.equal(await countRecords(kafka, audit), 1));
    await agent.kill('SIGKILL');
  }
  await appendFile(log, 'one\n');
  await using _agent = start();
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 1));
  await appendFile(log, 'two\n');
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 2));
  const ranges = (await readTopic(kafka, topic)).map(({ headers }) => headers['logfleet.range']);
  assert.deepEqual(ranges, ['9-13', '13-17']);
  const verify = ['verify', '--topic', topic, '--kafka', kafka.join(','), '--audit-topic', audit];
  const verified = await runProcess('cli/main.ts', verify);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.match(verified.stdout, /^begins: start +[0-9a-f]{16} +0-9 +9 +never read +.*app.log$/m);
  assert.match(verified.stdout, /^open +[0-9a-f]{16} +9-17 +8 /m);
  const facts = (await readTopic(kafka, audit)).map(({ value }) => JSON.parse(value.toString()));
  assert.deepEqual([...new Set(facts.map(({ id }) => id))], [facts[0].id]);
  const { kind, entry, path, first, reason } = facts[0];
  assert.deepEqual([kind, entry, path, first, reason], ['begun', 'app', log, 9, 'start']);
});
