import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { etagRevision } from '../../proto/rules/etag.ts';
import { assemble } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import { agentOf, createFleet, waitUntilAcknowledged } from '../support/fleet-fixture.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

test('a deleted entry that is rolled back continues at its position: lines written meanwhile arrive once', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  await using agent = agentOf(on, 'a', {});
  await agent.logged('connected to the controller');
  const file = dir.at('a.log');
  await writeFile(file, 'one\ntwo\n');
  const call = (method: string, request: Record<string, unknown>) =>
    controller.api.call('EntryService', method, request);
  const created = await call('CreateEntry', {
    entry: { name: 'entries/app', paths: [file], topic, start: 'beginning' },
  });
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 2));
  await call('DeleteEntry', { name: 'entries/app' });
  await eventually(async () => {
    const { entries } = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/a' });
    assert.deepEqual(entries, []);
  });
  await appendFile(file, 'three\n');
  const back = await call('RollbackEntry', { name: 'entries/app', revision: etagRevision(created.etag) });
  assert.equal(back.uid, created.uid);
  await waitUntilAcknowledged(on, 'a', back);
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 3));
  await appendFile(file, 'four\n');
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 4));
  const generations = [...assemble(await readTopic(kafka, topic)).values()];
  assert.equal(generations.length, 1);
  assert.ok(generations[0]?.bytes.equals(await readFile(file)));
});
