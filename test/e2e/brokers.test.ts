import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startKafka } from '../../stack/kafka.ts';
import { assemble } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import { startWriter } from '../support/line-writer.ts';
import { startProcess } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };
const FILES = ['a', 'b', 'c', 'd', 'e', 'f'];

test("with three brokers, lines reach each partition's leader, also when leaders are killed and restarted", async (t) => {
  await using dir = await tempDir('brokers');
  const config = {
    'min.insync.replicas': '2',
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
  };
  const kafka = await startKafka({ dataDir: dir.at('kafka'), brokers: 3, config });
  try {
    const topic = await createTopic(kafka.bootstrap, 6, { replicationFactor: 3 });
    await writeFile(
      dir.at('entries.yaml'),
      JSON.stringify({ entries: [{ name: 'a', paths: [dir.at('*.log')], topic, start: 'beginning' }] }),
    );
    const writers = FILES.map((name) => startWriter(dir.at(`${name}.log`)));
    await using stack = new AsyncDisposableStack();
    for (const writer of writers) stack.defer(() => writer.stop());
    // The agent is configured with one broker and learns the others from it.
    const [first] = kafka.bootstrap as [string];
    const args = ['--entries', dir.at('entries.yaml'), '--kafka', first, '--state', dir.at('state')];
    await using agent = startProcess('agent/main.ts', args);
    const flowing = async (more: number) => {
      // kafkajs fails for a while, too, when a leader is killed.
      const before = await eventually(() => countRecords(kafka.bootstrap, topic), PATIENCE);
      await eventually(async () => assert.ok((await countRecords(kafka.bootstrap, topic)) > before + more), PATIENCE);
    };
    await flowing(500);
    // The first broker is also the cluster's only controller, so it must run.
    for (const broker of kafka.brokers.slice(1)) {
      await broker.kill('SIGKILL');
      await flowing(1_000);
      await broker.start();
      await flowing(500);
    }
    await Promise.all(writers.map((writer) => writer.stop()));
    const lines = writers.reduce((sum, writer) => sum + writer.lines, 0);
    await eventually(async () => assert.equal(await countRecords(kafka.bootstrap, topic), lines), PATIENCE);
    await agent.kill('SIGTERM');
    const records = await readTopic(kafka.bootstrap, topic);
    const contents = new Map([...assemble(records).values()].map(({ path, bytes }) => [path, bytes]));
    for (const [index, name] of FILES.entries()) {
      assert.deepEqual(contents.get(dir.at(`${name}.log`)), writers[index]?.bytes, name);
    }
    assert.ok(new Set(records.map(({ partition }) => partition)).size > 1, 'several partitions were used');
    t.diagnostic(`${lines} lines; held up: ${agent.stderr().match(/delivery is held up/g)?.length ?? 0} times`);
  } finally {
    await kafka.stop();
  }
});
