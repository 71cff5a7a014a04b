import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { KafkaConnection } from '../../../agent/kafka/kafka-connection.ts';
import { describeProducers } from '../../../agent/kafka/kafka-messages.ts';
import { type Kafka, startKafka } from '../../../stack/kafka.ts';
import { startTcpProxy, type TcpProxy } from '../../chaos/tcp-proxy.ts';
import { assemble } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { startWriter } from '../../support/line-writer.ts';
import { startProcess, type TestProcess } from '../../support/process.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { alterTopic, countRecords, createTopic, readTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };
const RSS_BYTES_MAX = 400 * 1024 * 1024;

let dir: TempDir;
let kafka: Kafka;
let proxy: TcpProxy;
/** Past the proxy, for what is no fault's. */
let direct: string[];

before(async () => {
  dir = await tempDir('one-broker');
  proxy = await startTcpProxy();
  const config = { 'producer.id.expiration.ms': '1000', 'producer.id.expiration.check.interval.ms': '200' };
  kafka = await startKafka({ dataDir: dir.at('kafka'), advertisedPorts: [proxy.port], config });
  proxy.targetPort = Number((kafka.bootstrap[0] as string).split(':')[1]);
  const properties = await readFile(dir.at('kafka/broker-1/server.properties'), 'utf8');
  direct = [(/^advertised\.listeners=.*INTERNAL:\/\/([\d.:]+)/m.exec(properties) as RegExpExecArray)[1] as string];
});

after(async () => {
  await proxy.stop();
  await kafka.stop();
  await dir[Symbol.asyncDispose]();
});

async function startAgent(name: string, topic: string, ...more: string[]): Promise<TestProcess> {
  const entries = [{ name: 'a', paths: [dir.at(`${name}.log`)], topic, start: 'beginning' }];
  await writeFile(dir.at(`${name}.yaml`), JSON.stringify({ entries }));
  const args = ['--entries', dir.at(`${name}.yaml`), '--kafka', `127.0.0.1:${proxy.port}`];
  return startProcess('agent/main.ts', [...args, '--state', dir.at(name), '--scan-interval', '500ms', ...more]);
}

async function isWhole(topic: string, bytes: Buffer | string, lines: number, agent: TestProcess): Promise<void> {
  await eventually(async () => assert.equal(await countRecords(direct, topic), lines, agent.stderr()), PATIENCE);
  const [only] = [...assemble(await readTopic(direct, topic)).values()];
  assert.equal(only?.bytes.toString(), bytes.toString());
}

async function flowing(topic: string, more: number): Promise<void> {
  const from = await countRecords(direct, topic);
  await eventually(async () => assert.ok((await countRecords(direct, topic)) > from + more), PATIENCE);
}

// KIP-98 (catalogue 87).
test('batches whose answers are lost on their way are there once', async () => {
  const topic = await createTopic(direct);
  const writer = startWriter(dir.at('replies.log'));
  await using agent = await startAgent('replies', topic);
  await eventually(async () => assert.ok((await countRecords(direct, topic)) > 100), PATIENCE);
  for (let round = 0; round < 3; round++) {
    const from = await countRecords(direct, topic);
    proxy.setMode('drop-replies');
    // Batches arrive, until the agent sends no more without an answer.
    await eventually(async () => assert.ok((await countRecords(direct, topic)) > from), PATIENCE);
    proxy.setMode('pass');
    await flowing(topic, 200);
  }
  await writer.stop();
  await isWhole(topic, writer.bytes, writer.lines, agent);
});

// kafkajs #907, #919 (catalogue 97): a firewall that forgets a connection tells nobody.
test('a connection that swallows everything is given up within the timeout, and what was under way is there once', async () => {
  const topic = await createTopic(direct);
  const writer = startWriter(dir.at('hole.log'));
  await using agent = await startAgent('hole', topic);
  await eventually(async () => assert.ok((await countRecords(direct, topic)) > 100), PATIENCE);
  proxy.setMode('hole');
  await eventually(() => assert.match(agent.stderr(), /does not answer/), PATIENCE);
  proxy.setMode('pass');
  await flowing(topic, 200);
  await writer.stop();
  await isWhole(topic, writer.bytes, writer.lines, agent);
});

// platformatic #309, librdkafka #3584, confluent-go #830 (catalogue 89).
test('a broker that has forgotten the producer id mid-stream gets each line once', async () => {
  const topic = await createTopic(direct);
  await writeFile(dir.at('forgotten.log'), '');
  await using agent = await startAgent('forgotten', topic);
  let bytes = '';
  for (let round = 1; round <= 3; round++) {
    const more = Array.from({ length: 1_000 }, (_, index) => `${round} ${index}\n`).join('');
    bytes += more;
    await appendFile(dir.at('forgotten.log'), more);
    await eventually(
      async () => assert.equal(await countRecords(direct, topic), round * 1_000, agent.stderr()),
      PATIENCE,
    );
    await eventually(async () => assert.equal(await knownProducers(topic), 0), PATIENCE);
  }
  await isWhole(topic, bytes, 3_000, agent);
});

// beats #14906's sibling: the limit counts before a repetition is recognised.
test('a batch that was appended, its answer lost, is there once though the topic takes smaller ones by now', async () => {
  const topic = await createTopic(direct);
  await writeFile(dir.at('shrunk.log'), 'first\n');
  await using agent = await startAgent('shrunk', topic);
  await eventually(async () => assert.equal(await countRecords(direct, topic), 1), PATIENCE);
  proxy.setMode('drop-replies');
  const more = Array.from(
    { length: 3_000 },
    (_, index) => `${index} ${Math.random()} ${'x'.repeat(index % 50)}\n`,
  ).join('');
  await appendFile(dir.at('shrunk.log'), more);
  await eventually(async () => assert.ok((await countRecords(direct, topic)) > 1), PATIENCE);
  await alterTopic(direct, topic, { 'max.message.bytes': '5000' });
  proxy.setMode('pass');
  await isWhole(topic, `first\n${more}`, 3_001, agent);
});

// vector #13714, fb #4280, otel #45120, rsyslog #1052, otel #18476, fb #1903 (catalogue 84, 104): here for some seconds, with a backlog
// of several times what all batches may hold; nothing in it depends on how long.
test('while no broker is there memory stays bounded whatever is written, and all of it is delivered once', async () => {
  const topic = await createTopic(direct);
  await writeFile(dir.at('outage.log'), 'first\n');
  await using agent = await startAgent('outage', topic, '--buffer-memory', '16MiB');
  await eventually(async () => assert.equal(await countRecords(direct, topic), 1), PATIENCE);
  const [broker] = kafka.brokers;
  await broker?.kill('SIGKILL');
  const line = (index: number) => `${index} ${'a line of some length '.repeat(8)}\n`;
  const chunks = Array.from({ length: 10 }, (_, chunk) =>
    Array.from({ length: 20_000 }, (_, index) => line(chunk * 20_000 + index)).join(''),
  );
  let most = 0;
  for (const chunk of chunks) {
    await appendFile(dir.at('outage.log'), chunk);
    const status = await readFile(`/proc/${agent.pid}/status`, 'utf8');
    most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024);
  }
  await agent.logged('delivery is held up', PATIENCE);
  assert.ok(most < RSS_BYTES_MAX, `${most} bytes`);
  await broker?.start();
  await isWhole(topic, `first\n${chunks.join('')}`, 200_001, agent);
});

async function knownProducers(topic: string): Promise<number> {
  const [host, port] = (direct[0] as string).split(':') as [string, string];
  const connection = await KafkaConnection.open({ host, port: Number(port) }, { clientId: 'test', needs: [] });
  try {
    return (await connection.request(describeProducers(topic, 0))).producers.length;
  } finally {
    connection.close();
  }
}
