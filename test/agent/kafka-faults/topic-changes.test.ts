import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { EntryCollector } from '../../../agent/collect/entry-collector.ts';
import { FileBudget } from '../../../agent/collect/files/file-budget.ts';
import { CrashRecovery } from '../../../agent/collect/sources/crash-recovery.ts';
import { WorkPool } from '../../../agent/encode/work-pool.ts';
import { DeliveryRouter } from '../../../agent/produce/delivery-router.ts';
import { KafkaCluster } from '../../../agent/produce/kafka-cluster.ts';
import { CheckpointStore } from '../../../agent/state/checkpoint-store.ts';
import { FactStore } from '../../../agent/state/fact-store.ts';
import { IntentStore } from '../../../agent/state/intent-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { Entry } from '../../../proto/gen/logfleet/v1/entry.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';
import { PartitionProcess } from '../../support/partition.ts';
import { startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, deleteTopic, growTopic, type ReadRecord, readTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 20_000 };
const FILES = Array.from({ length: 24 }, (_, index) => `${index}.log`);

function partitionsByPath(records: readonly ReadRecord[]): Map<string, Set<number>> {
  const result = new Map<string, Set<number>>();
  for (const { partition, headers } of records) {
    const path = headers['log.file.path'] as string;
    result.set(path, (result.get(path) ?? new Set()).add(partition));
  }
  return result;
}

// Catalogue 94.
test('new files use the new partitions of a topic, and a file keeps its partition', async () => {
  const brokers = await sharedKafka();
  const topic = await createTopic(brokers, 1);
  await using dir = await tempDir();
  await writeFile(dir.at('old.log'), 'one\n');
  const state = StateDatabase.open(dir.at('state'));
  const logger = createLogger({ level: 'error', format: 'json' });
  const cluster = new KafkaCluster({ clientId: 'test', brokers, createTopics: false, metadataAgeMsMax: 100 });
  const pool = new WorkPool(64 * 1024 * 1024);
  const clock = systemClock;
  const router = new DeliveryRouter(cluster, new IntentStore(state), { clock, logger, pool }, () => {});
  const store = new CheckpointStore(state);
  const budget = new FileBudget(100);
  const facts = new FactStore(state, { clock, logger });
  const recovery = new CrashRecovery([], { store, facts, pool, budget, logger });
  const listener = { acknowledged: () => {}, stateChanged: () => {} };
  const tools = {
    recovery,
    clock,
    logger,
    store,
    facts,
    budget,
    once: false,
    router,
    host: 'h',
    listener,
  };
  const paths = [dir.at('*.log')];
  const entry = Entry.create({ name: 'entries/a', uid: 'a', topic, paths, start: 'beginning' });
  const collector = new EntryCollector(entry, tools);
  collector.apply(entry);
  try {
    const arrived = async (count: number) => {
      await collector.scan();
      const records = await readTopic(brokers, topic);
      assert.equal(records.length, count);
      return partitionsByPath(records);
    };
    await eventually(() => arrived(1), PATIENCE);
    await growTopic(brokers, topic, 8);
    // The collector has seen the change when the next scan is over.
    const grown = async () => assert.equal(await router.partitionCount(topic), 8);
    await eventually(grown, PATIENCE);
    for (let scans = 0; scans < 2; scans++) await collector.scan();
    await appendFile(dir.at('old.log'), 'two\n');
    for (const name of FILES) await writeFile(dir.at(name), 'x\n');
    const used = await eventually(() => arrived(2 + FILES.length), PATIENCE);
    assert.deepEqual([...(used.get(dir.at('old.log')) ?? [])], [0]);
    assert.ok(new Set([...used.values()].flatMap((each) => [...each])).size > 2, 'the new partitions are used');
  } finally {
    collector.halt();
    await router.close();
    collector.close();
    state.close();
  }
});

// Catalogue 94. Lines acknowledged before are gone with the previous topic; no other line is.
test('a topic made again with fewer partitions gets every later line, without a restart', async () => {
  const brokers = await sharedKafka();
  const topic = await createTopic(brokers, 6);
  await using dir = await tempDir();
  for (const name of FILES) await writeFile(dir.at(name), `${name} before\n`);
  const entries = [{ name: 'a', paths: [dir.at('*.log')], topic, start: 'beginning' }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', brokers.join(','), '--state', dir.at('state')];
  await using agent = startProcess('agent/main.ts', [...args, '--scan-interval', '500ms']);
  await eventually(async () => assert.equal((await readTopic(brokers, topic)).length, FILES.length), PATIENCE);
  await deleteTopic(brokers, topic);
  await createTopic(brokers, 2, { name: topic });
  const since = ['one', 'two', 'three', 'four'];
  for (const word of since) for (const name of FILES) await appendFile(dir.at(name), `${name} ${word}\n`);
  const expected = FILES.flatMap((name) => since.map((word) => `${name} ${word}`)).sort();
  // Each once, and in order except those in flight to a partition that no longer exists.
  await eventually(
    async () => {
      const found = await readTopic(brokers, topic);
      assert.deepEqual(found.map(({ value }) => value.toString()).sort(), expected, agent.stderr());
    },
    { timeoutMs: 40_000 },
  );
});

test('batches sent to a recreated topic before anybody noticed are found by the next process', async () => {
  const brokers = await sharedKafka();
  const topic = await createTopic(brokers);
  await using dir = await tempDir();
  {
    await using first = new PartitionProcess(brokers, topic, dir.at('state'));
    first.send(1);
    await eventually(() => assert.deepEqual(first.acknowledged, [1]));
    first.state.flush(Date.now());
    await deleteTopic(brokers, topic);
    await createTopic(brokers, 1, { name: topic });
    // According to the state on the disk, it was never acknowledged.
    first.send(2);
    await eventually(() => assert.deepEqual(first.acknowledged, [1, 2]), PATIENCE);
  }
  await using next = new PartitionProcess(brokers, topic, dir.at('state'));
  next.restore();
  next.send(3);
  await eventually(() => assert.deepEqual(next.acknowledged.slice(-1), [3]), PATIENCE);
  assert.deepEqual(
    (await readTopic(brokers, topic)).map(({ value }) => Number(value)),
    [2, 3],
  );
});

test('batches left for a deleted topic are returned after a minute, and show no error afterwards', async () => {
  const brokers = await sharedKafka();
  const topic = await createTopic(brokers);
  await using dir = await tempDir();
  {
    await using first = new PartitionProcess(brokers, topic, dir.at('state'));
    first.send(1);
    await eventually(() => assert.deepEqual(first.acknowledged, [1]));
  }
  await deleteTopic(brokers, topic);
  // A clock on which a minute takes two seconds.
  const fast = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() * 30 };
  await using next = new PartitionProcess(brokers, topic, dir.at('state'), fast);
  next.restore();
  await eventually(() => assert.match(next.producer.failure?.message ?? '', /does not exist/));
  assert.deepEqual(next.returned, []);
  await eventually(() => assert.deepEqual(next.returned, [1]), PATIENCE);
  assert.equal(next.producer.failure, undefined);
});
