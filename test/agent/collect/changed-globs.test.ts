import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { agentOf, createFleet, waitUntilAcknowledged, waitUntilDelivered } from '../../support/fleet-fixture.ts';
import { createTopic, readTopic } from '../../support/topics.ts';

// `start: end` applied to the entry's first globs only: files that a later glob added were read
// from their beginning.
test('start: end applies to files that existed when a glob was added; later files are read from their beginning', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  await using agent = agentOf(on, 'a');
  await agent.logged('connected to the controller');
  await writeFile(dir.at('old.log'), 'before the entry\n');
  await writeFile(dir.at('old.txt'), 'before its glob\n');
  const name = 'entries/app';
  const paths = [dir.at('*.log')];
  const entry = await controller.api.call('EntryService', 'CreateEntry', { entry: { name, paths, topic } });
  await waitUntilAcknowledged(on, 'a', entry);
  await writeFile(dir.at('new.log'), 'new.log\n');
  await waitUntilDelivered(on, topic, 1);
  const more = { name, paths: [...paths, dir.at('*.txt')] };
  const updated = await controller.api.call('EntryService', 'UpdateEntry', { entry: more });
  await waitUntilAcknowledged(on, 'a', updated);
  await writeFile(dir.at('new.txt'), 'new.txt\n');
  for (const file of ['old.log', 'old.txt']) await appendFile(dir.at(file), `${file}\n`);
  await waitUntilDelivered(on, topic, 4);
  const values = (await readTopic(kafka, topic)).map(({ value }) => value.toString());
  assert.deepEqual(values.sort(), ['new.log', 'new.txt', 'old.log', 'old.txt']);
});
