import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { assemble } from '../../support/assemble.ts';
import { agentOf, createFleet, waitUntilAcknowledged, waitUntilDelivered } from '../../support/fleet-fixture.ts';
import { startWriter } from '../../support/line-writer.ts';
import { createTopic, readTopic } from '../../support/topics.ts';

const TURNS = 12;

// An entry that was unassigned and reassigned before its last batches were acknowledged was read
// from the stored position: lines arrived twice.
test('an entry that is unassigned and reassigned at once continues at its position', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  await using agent = agentOf(on, 'a', { labels: { env: 'prod' } });
  await agent.logged('connected to the controller');
  const file = dir.at('a.log');
  const writer = startWriter(file);
  const call = (method: string, entry: object) => controller.api.call('EntryService', method, { entry });
  const selector = 'env=prod';
  let entry = await call('CreateEntry', { name: 'entries/app', paths: [file], topic, start: 'beginning', selector });
  await waitUntilAcknowledged(on, 'a', entry);
  for (let turn = 0; turn < TURNS; turn++) {
    await call('UpdateEntry', { name: 'entries/app', selector: 'env=none' });
    entry = await call('UpdateEntry', { name: 'entries/app', selector });
    await waitUntilAcknowledged(on, 'a', entry);
  }
  await writer.stop();
  await waitUntilDelivered(on, topic, writer.lines);
  const generations = [...assemble(await readTopic(kafka, topic)).values()];
  assert.equal(generations.length, 1);
  assert.ok(generations[0]?.bytes.equals(await readFile(file)));
});
