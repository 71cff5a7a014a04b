import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkPool } from '../../../agent/encode/work-pool.ts';
import { type AuditDependencies, AuditLog } from '../../../agent/produce/audit-log.ts';
import { DeliveryRouter } from '../../../agent/produce/delivery-router.ts';
import { KafkaCluster } from '../../../agent/produce/kafka-cluster.ts';
import { FactStore } from '../../../agent/state/fact-store.ts';
import { IntentStore } from '../../../agent/state/intent-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic, newTopic, readTopic } from '../../support/topics.ts';

const logger = createLogger({ level: 'error', format: 'json', write: () => {} });
type AuditTools = Pick<AuditDependencies, 'clock' | 'logger'>;

/** A fact store and the audit log that reads it. */
async function audited(dir: string, topic: string, tools: AuditTools = { clock: systemClock, logger }) {
  const state = StateDatabase.open(dir);
  const facts = new FactStore(state, tools);
  const cluster = new KafkaCluster({ clientId: 'test', brokers: await sharedKafka(), createTopics: false });
  let changes = 0;
  const onFailureChange = () => changes++;
  const pool = new WorkPool(4_000_000);
  const router = new DeliveryRouter(cluster, new IntentStore(state), { ...tools, pool }, onFailureChange);
  const log = new AuditLog(router, facts, { topic, agent: 'a', host: 'h' }, { ...tools, onFailureChange });
  log.start();
  return {
    state,
    facts,
    log,
    changes: () => changes,
    [Symbol.asyncDispose]: async () => {
      log.close();
      await router.close();
      state.close();
    },
  };
}

// Compaction keeps one record of a key: with the generation as key it would remove losses.
test('each fact is a JSON record with its id as key; facts of a generation keep their order in one partition', async () => {
  await using dir = await tempDir();
  const topic = await createTopic(await sharedKafka(), 3);
  await using on = await audited(dir.path, topic);
  on.facts.setEntryName('u', 'entries/app');
  const subject = { entryUid: 'u', path: '/ä/b.log' };
  for (let at = 0; at < 150; at++)
    on.facts.loss({
      ...subject,
      generation: `g${at % 5}`,
      start: at,
      end: at + 2,
      openEnded: at === 0,
      reason: 'budget',
    });
  on.facts.sealed({ ...subject, generation: 'g0', first: 1, size: 152, recordsEnd: 140 });
  on.facts.begun({ ...subject, generation: 'g0', first: 1, reason: 'start' });
  on.state.flush(systemClock.nowMs());
  await eventually(() => assert.deepEqual(on.facts.unaudited(1), []));
  const records = await readTopic(await sharedKafka(), topic);
  assert.equal(records.length, 152);
  assert.equal(new Set(records.map(({ partition }) => partition)).size > 1, true);
  const values = records.map(({ key, value }) => ({ key: String(key), ...JSON.parse(String(value)) }));
  for (const { key, id } of values) assert.equal(key, id);
  assert.equal(new Set(values.map(({ id }) => id)).size, 152);
  const placed = records.map(({ partition }, at) => `${values[at].generation} ${partition}`);
  assert.equal(new Set(placed).size, 5);
  const ofFirst = values.filter(({ generation }) => generation === 'g0');
  const starts = ofFirst.filter(({ kind }) => kind === 'loss').map(({ start }) => start);
  assert.deepEqual(
    starts,
    Array.from({ length: 30 }, (_, index) => index * 5),
  );
  const withoutOwn = ({ key: _key, id: _id, time: _time, ...fact }: Record<string, unknown>) => fact;
  const { id, time } = ofFirst[0];
  assert.match(id, /^[0-9a-f]{16}$/);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  const about = { agent: 'a', host: 'h', entry: 'app', entryUid: 'u', path: '/ä/b.log', generation: 'g0' };
  assert.deepEqual(withoutOwn(ofFirst[0]), {
    ...about,
    kind: 'loss',
    start: 0,
    end: 2,
    bytes: 2,
    openEnded: true,
    reason: 'budget',
  });
  const ofKind = (wanted: string) => withoutOwn(values.find(({ kind }) => kind === wanted));
  assert.deepEqual(ofKind('sealed'), { ...about, kind: 'sealed', first: 1, size: 152, recordsEnd: 140 });
  assert.deepEqual(ofKind('begun'), { ...about, kind: 'begun', first: 1, reason: 'start' });
});

test('a missing audit topic is reported, and the waiting facts arrive once it exists', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const topic = newTopic();
  await using on = await audited(dir.path, topic);
  on.facts.sealed({ entryUid: 'u', generation: 'g', path: '/a', first: 0, size: 1, recordsEnd: 1 });
  on.state.flush(systemClock.nowMs());
  await eventually(() => assert.match(on.log.failure, new RegExp(`can't be written to ${topic}: .*UNKNOWN_TOPIC`)));
  assert.ok(on.changes() > 0);
  // A problem of the topic does not delay the agent's stop.
  await on.log.settle(600_000);
  await createTopic(kafka, 1, { name: topic });
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 1), { timeoutMs: 20_000 });
  await eventually(() => assert.equal(on.log.failure, ''));
});

test('facts that the audit topic refuses are sent again with the present time', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  let aheadMs = 2 * 3_600_000;
  const clock = { ...systemClock, nowMs: () => Date.now() + aheadMs };
  await using on = await audited(dir.path, topic, { clock, logger });
  on.facts.sealed({ entryUid: 'u', generation: 'g', path: '/a', first: 0, size: 1, recordsEnd: 1 });
  on.state.flush(clock.nowMs());
  await eventually(() => assert.match(on.log.failure, /INVALID_TIMESTAMP.*correct the host's clock/));
  aheadMs = 0;
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 1), { timeoutMs: 20_000 });
  await eventually(() => assert.deepEqual([on.log.failure, on.facts.unaudited(1)], ['', []]));
});

test('a topic that accepts only small batches gets small ones', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 1, { configEntries: [{ name: 'max.message.bytes', value: '2000' }] });
  await using on = await audited(dir.path, topic);
  for (let size = 0; size < 100; size++)
    on.facts.sealed({ entryUid: 'u', generation: 'g', path: '/a', first: 0, size, recordsEnd: size });
  on.state.flush(systemClock.nowMs());
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 100), { timeoutMs: 20_000 });
});
