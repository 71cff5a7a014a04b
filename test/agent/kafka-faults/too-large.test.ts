import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { assemble } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { alterTopic, countRecords, createTopic, newTopic, readTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 20_000 };

/** Random, so it does not compress. */
function line(bytes: number): string {
  return `${randomBytes(bytes)
    .toString('base64')
    .slice(0, bytes - 1)}\n`;
}

async function agentArgs(dir: TempDir, kafka: readonly string[], topic: string, audit: string, entry: object = {}) {
  const entries = [{ name: 'a', paths: [dir.at('a.log')], topic, start: 'beginning', ...entry }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  return [...args, '--audit-topic', audit, '--scan-interval', '500ms'];
}

async function delivered(kafka: readonly string[], topic: string): Promise<string> {
  const [only] = [...assemble(await readTopic(kafka, topic)).values()];
  return only?.bytes.toString() ?? '';
}

// beats #14906, vector #1772 (catalogue 92): a record that is too large is retried for ever, or
// dropped silently.
for (const over_long of ['split', 'drop'] as const) {
  test(`a line above the topic limit is split, and nothing is lost (over_long: ${over_long})`, async () => {
    const kafka = await sharedKafka();
    const topic = await createTopic(kafka);
    await using dir = await tempDir();
    const args = await agentArgs(dir, kafka, topic, newTopic(), { over_long });
    const before = `${line(90_000)}${line(100)}`;
    await writeFile(dir.at('a.log'), before);
    await using agent = startProcess('agent/main.ts', args);
    await eventually(async () => assert.equal(await countRecords(kafka, topic), 2), PATIENCE);
    await alterTopic(kafka, topic, { 'max.message.bytes': '20000' });
    const more = `${line(100)}${line(100_000)}${line(200)}${line(18_000)}${'ab'.repeat(40_000)}\n${line(300)}`;
    await appendFile(dir.at('a.log'), more);
    const whole = before + more;
    await eventually(async () => assert.equal(await delivered(kafka, topic), whole, agent.stderr()), PATIENCE);
    const records = await readTopic(kafka, topic);
    const split = records.filter(({ headers }) => headers['logfleet.flags'] === 'split');
    assert.ok(split.length >= 6, `${split.length} pieces`);
    assert.ok(records.slice(2).every(({ value }) => value.length < 20_000));
    const short = records.filter(({ value }) => [99, 199, 299].includes(value.length));
    assert.ok(short.every(({ headers }) => headers['logfleet.flags'] === undefined));
  });
}

test('a line that was split for the topic is split the same way when it is rebuilt after a kill', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 1, { configEntries: [{ name: 'max.message.bytes', value: '20000' }] });
  await using dir = await tempDir();
  const args = await agentArgs(dir, kafka, topic, newTopic());
  const content = Array.from({ length: 150 }, (_, index) => line(10_000 + 500 * index)).join('');
  await writeFile(dir.at('a.log'), content);
  for (let records = 10; records < 300; records += 140) {
    await using agent = startProcess('agent/main.ts', args);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) >= records, agent.stderr()), PATIENCE);
    await agent.kill('SIGKILL');
  }
  await using _agent = startProcess('agent/main.ts', args);
  await eventually(async () => assert.equal(await delivered(kafka, topic), content), PATIENCE);
});

test('a line refused even in pieces of 1 KiB is a loss, and the lines after it are delivered', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 1, { configEntries: [{ name: 'max.message.bytes', value: '600' }] });
  await using dir = await tempDir();
  const audit = newTopic();
  await createTopic(kafka, 1, { name: audit });
  const refused = line(900);
  await writeFile(dir.at('a.log'), `one\n${refused}two\n${line(2_000)}three\n`);
  await using agent = startProcess('agent/main.ts', await agentArgs(dir, kafka, topic, audit));
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 3, agent.stderr()), PATIENCE);
  const values = (await readTopic(kafka, topic)).map(({ value }) => value.toString());
  assert.deepEqual(values, ['one', 'two', 'three']);
  const losses = await eventually(async () => {
    const facts = (await readTopic(kafka, audit)).map(({ value }) => JSON.parse(value.toString()));
    const found = facts.filter(({ kind }) => kind === 'loss');
    assert.equal(
      found.reduce((sum, { bytes }) => sum + bytes, 0),
      900 + 2_000,
    );
    return found;
  }, PATIENCE);
  assert.ok(losses.every(({ reason }) => reason === 'too-large'));
  assert.deepEqual([losses[0].start, losses[0].end], [4, 904]);
});
