import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { assemble } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  waitUntilAcknowledged,
  waitUntilDelivered,
} from '../support/fleet-fixture.ts';
import { startWriter } from '../support/line-writer.ts';
import { countRecords, createTopic, newTopic, readTopic } from '../support/topics.ts';

test('an entry created over gRPC gets its topic and delivers within seconds, and the fleet shows its progress', async (t: TestContext) => {
  await using on = await createFleet();
  const { controller, dir } = on;
  await using agent = agentOf(on, 'web-1', { labels: { env: 'prod' } });
  await agent.logged('connected to the controller');
  await writeFile(dir.at('app.log'), 'one\ntwo\nthr');
  const topic = newTopic();
  const startMs = performance.now();
  const entry = await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [dir.at('*.log')], topic, start: 'beginning', selector: 'env=prod' },
  });
  await waitUntilDelivered(on, topic, 2);
  t.diagnostic(`from the call to records read back: ${Math.round(performance.now() - startMs)} ms`);
  await waitUntilAcknowledged(on, 'web-1', entry);
  const { identity, liveness, files, health } = await eventually(async () => {
    const now = await agentStatus(on, 'web-1');
    assert.equal(now.files[0]?.position, '8');
    return now;
  });
  assert.deepEqual([identity.agent_id, identity.labels, liveness], ['web-1', { env: 'prod' }, 'LIVENESS_LIVE']);
  const [file] = files;
  assert.deepEqual([file.path, file.size, file.lag_bytes, file.state], [dir.at('app.log'), '11', '3', 'STATE_READING']);
  assert.match(file.generation, /^[0-9a-f]{16}$/);
  assert.equal(health.delivered_lines, '2');
  const records = await readTopic(on.kafka, topic);
  assert.deepEqual(Object.keys(records[0]?.headers ?? {}), [
    'host.name',
    'log.file.path',
    'logfleet.entry',
    'logfleet.generation',
    'logfleet.range',
  ]);
});

test('agents with different labels get different entries, and an update of the selector moves one', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  await using a = agentOf(on, 'a', { labels: { role: 'web' } });
  await using b = agentOf(on, 'b', { labels: { role: 'db' } });
  await Promise.all([a, b].map((agent) => agent.logged('connected to the controller')));
  const entryFor = async (role: string) => {
    await mkdir(dir.at(role));
    await writeFile(dir.at(role, 'x.log'), `${role}\n`);
    return controller.api.call('EntryService', 'CreateEntry', {
      entry_id: role,
      entry: {
        paths: [dir.at(role, '*.log')],
        topic: await createTopic(kafka),
        start: 'beginning',
        selector: `role=${role}`,
      },
    });
  };
  const web = await entryFor('web');
  const db = await entryFor('db');
  await waitUntilAcknowledged(on, 'a', web);
  await waitUntilAcknowledged(on, 'b', db);
  await waitUntilDelivered(on, web.topic, 1);
  await waitUntilDelivered(on, db.topic, 1);
  const namesOn = async (id: string) =>
    (await agentStatus(on, id)).entries.map(({ entry }: { entry: string }) => entry);
  assert.deepEqual([await namesOn('a'), await namesOn('b')], [['entries/web'], ['entries/db']]);
  const moved = await controller.api.call('EntryService', 'UpdateEntry', {
    entry: { name: 'entries/web', selector: 'role in (web,db),agent=b' },
  });
  await waitUntilAcknowledged(on, 'b', moved);
  await eventually(async () => assert.deepEqual(await namesOn('a'), []));
});

test('after an update of the topic later lines go to the new one, none lost or doubled at the switch', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topics = [await createTopic(kafka, 3), await createTopic(kafka, 2), await createTopic(kafka, 1)];
  await using agent = agentOf(on, 'a');
  await agent.logged('connected to the controller');
  const writers = ['x', 'y', 'z'].map((name) => startWriter(dir.at(`${name}.log`)));
  await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [dir.at('*.log')], topic: topics[0], start: 'beginning' },
  });
  await eventually(async () => assert.ok((await countRecords(kafka, topics[0] as string)) > 500));
  for (const topic of topics.slice(1)) {
    const entry = await controller.api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/app', topic } });
    await waitUntilAcknowledged(on, 'a', entry);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > 500));
  }
  await Promise.all(writers.map((writer) => writer.stop()));
  const lines = writers.reduce((sum, writer) => sum + writer.lines, 0);
  const read = () => Promise.all(topics.map((topic) => readTopic(kafka, topic)));
  await eventually(async () => {
    const counts = await Promise.all(topics.map((topic) => countRecords(kafka, topic)));
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      lines,
    );
  });
  const files = [...assemble((await read()).flat()).values()];
  const contents = new Map(files.map(({ path, bytes }) => [path, bytes]));
  assert.equal(files.length, 3);
  for (const [index, name] of ['x', 'y', 'z'].entries()) {
    assert.deepEqual(contents.get(dir.at(`${name}.log`)), writers[index]?.bytes, `${name}.log`);
  }
});

test('a paused entry keeps its position and resumes there; a deleted one stops', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  const log = dir.at('a.log');
  await writeFile(log, 'one\n');
  await using _agent = agentOf(on, 'a');
  const created = await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [log], topic, start: 'beginning' },
  });
  await waitUntilAcknowledged(on, 'a', created);
  await waitUntilDelivered(on, topic, 1);
  const set = (fields: object) =>
    controller.api.call('EntryService', 'UpdateEntry', {
      entry: { name: 'entries/app', ...fields },
      update_mask: { paths: ['paused'] },
    });
  await waitUntilAcknowledged(on, 'a', await set({ paused: true }), 'STATE_PAUSED');
  await appendFile(log, 'two\n');
  await eventually(async () => {
    const [file] = (await agentStatus(on, 'a')).files;
    assert.deepEqual([file.state, file.position, file.lag_bytes], ['STATE_PAUSED', '4', '4']);
  });
  assert.equal(await countRecords(kafka, topic), 1);
  await waitUntilAcknowledged(on, 'a', await set({ paused: false }));
  await waitUntilDelivered(on, topic, 2);
  await controller.api.call('EntryService', 'DeleteEntry', { name: 'entries/app' });
  await eventually(async () => {
    const { entries, files } = await agentStatus(on, 'a');
    assert.deepEqual([entries, files], [[], []]);
  });
  await appendFile(log, 'three\n');
  // Another entry's line is delivered later: if the deleted entry were still read, its line would
  // be there.
  const other = await createTopic(kafka);
  await writeFile(dir.at('b.txt'), 'b\n');
  await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'other',
    entry: { paths: [dir.at('*.txt')], topic: other, start: 'beginning' },
  });
  await waitUntilDelivered(on, other, 1);
  assert.equal(await countRecords(kafka, topic), 2);
});
