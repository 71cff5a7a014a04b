import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { type Kafka, startKafka } from '../../../stack/kafka.ts';
import { assemble, rangeOf } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { startWriter } from '../../support/line-writer.ts';
import { startProcess, type TestProcess } from '../../support/process.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic, inSyncReplicas, leaderOf, readTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };

let dir: TempDir;
let kafka: Kafka;

before(async () => {
  dir = await tempDir('three-brokers');
  const config = {
    'min.insync.replicas': '2',
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    'replica.lag.time.max.ms': '2000',
  };
  kafka = await startKafka({ dataDir: dir.at('kafka'), brokers: 3, config });
});

after(async () => {
  await kafka.stop();
  await dir[Symbol.asyncDispose]();
});

function entryOf(name: string, topic: string) {
  return { name: 'a', paths: [dir.at(`${name}.log`)], topic, start: 'beginning' };
}

async function startAgent(name: string, topic: string): Promise<TestProcess> {
  await writeFile(dir.at(`${name}.yaml`), JSON.stringify({ entries: [entryOf(name, topic)] }));
  const args = ['--entries', dir.at(`${name}.yaml`), '--kafka', kafka.bootstrap.join(',')];
  return startProcess('agent/main.ts', [...args, '--state', dir.at(name), '--scan-interval', '500ms']);
}

/** Reads the topic and asserts that it has each line once, in the order of the file. */
async function isWhole(topic: string, bytes: Buffer | string, lines: number, agent: TestProcess): Promise<void> {
  const count = async () => assert.equal(await countRecords(kafka.bootstrap, topic), lines, agent.stderr());
  await eventually(count, PATIENCE);
  const records = await readTopic(kafka.bootstrap, topic);
  const starts = records.map((record) => rangeOf(record).start);
  assert.ok(
    starts.every((start, index) => index === 0 || start > (starts[index - 1] as number)),
    'in the order of the file',
  );
  const [only] = [...assemble(records).values()];
  assert.equal(only?.bytes.toString(), bytes.toString());
}

// platformatic #377, librdkafka #1432, #4953 (catalogue 85, 91).
test('a leader killed with five batches in flight loses and doubles nothing, and another takes over', async () => {
  const topic = await createTopic(kafka.bootstrap, 1, { replicationFactor: 3 });
  const line = (index: number) => `${index} ${Math.random()} ${Math.random()} ${'x'.repeat(index % 90)}\n`;
  const content = Array.from({ length: 300_000 }, (_, index) => line(index)).join('');
  await writeFile(dir.at('leader.log'), content);
  await using agent = await startAgent('leader', topic);
  const some = async () => assert.ok((await countRecords(kafka.bootstrap, topic)) > 5_000);
  await eventually(some, PATIENCE);
  const leader = await leaderOf(kafka.bootstrap, topic);
  // Broker 1 is the cluster's only controller: if it leads the partition, a replica is killed.
  const killed = kafka.brokers[leader === 1 ? 1 : leader - 1];
  await killed?.kill('SIGKILL');
  await isWhole(topic, content, 300_000, agent);
  await killed?.start();
});

// Catalogue 88.
test('with too few in-sync replicas lines wait, then arrive once and in order', async () => {
  const topic = await createTopic(kafka.bootstrap, 1, { replicationFactor: 3 });
  const writer = startWriter(dir.at('replicas.log'));
  await using agent = await startAgent('replicas', topic);
  const flowing = async (from: number) =>
    await eventually(async () => assert.ok((await countRecords(kafka.bootstrap, topic)) > from), PATIENCE);
  await flowing(200);
  await Promise.all(kafka.brokers.slice(1).map((broker) => broker.kill('SIGKILL')));
  await agent.logged('delivery is held up', PATIENCE);
  assert.match(
    agent.stderr(),
    /NOT_ENOUGH_REPLICAS|has no leader|ECONNREFUSED|REQUEST_TIMED_OUT|closed the connection/,
  );
  await Promise.all(kafka.brokers.slice(1).map((broker) => broker.start()));
  const { lines } = writer;
  await flowing(lines);
  await writer.stop();
  await isWhole(topic, writer.bytes, writer.lines, agent);
});

test('lines that a topic without enough replicas refuses for long go to the new topic of their entry', async () => {
  const [scarce, topic] = [
    await createTopic(kafka.bootstrap, 1, {
      replicationFactor: 3,
      configEntries: [{ name: 'min.insync.replicas', value: '3' }],
    }),
    await createTopic(kafka.bootstrap, 1, { replicationFactor: 3 }),
  ];
  await writeFile(dir.at('scarce.log'), 'one\n');
  await using agent = await startAgent('scarce', scarce);
  const count = (of: string, expected: number) =>
    eventually(async () => assert.equal(await countRecords(kafka.bootstrap, of), expected, agent.stderr()), PATIENCE);
  await count(scarce, 1);
  const leader = await leaderOf(kafka.bootstrap, scarce);
  // Broker 1 is the cluster's only controller.
  const follower = kafka.brokers.find((_broker, index) => index > 0 && index + 1 !== leader);
  await follower?.kill('SIGKILL');
  await eventually(async () => assert.equal(await inSyncReplicas(kafka.bootstrap, scarce), 2), PATIENCE);
  await appendFile(dir.at('scarce.log'), 'two\nthree\n');
  const { error } = await agent.logged('delivery is held up', PATIENCE);
  assert.match(String(error), /NOT_ENOUGH_REPLICAS \(19\)/);
  await writeFile(dir.at('scarce.yaml'), JSON.stringify({ entries: [entryOf('scarce', topic)] }));
  await count(topic, 2);
  await follower?.start();
  await count(scarce, 1);
});
