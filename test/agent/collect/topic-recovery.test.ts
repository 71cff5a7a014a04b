import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  agentOf,
  agentStatus,
  createFleet,
  waitUntilAcknowledged,
  waitUntilDelivered,
} from '../../support/fleet-fixture.ts';
import { createTopic, newTopic } from '../../support/topics.ts';

test('an entry whose topic was invalid for a while recovers when the topic is valid again', async () => {
  await using on = await createFleet();
  await using agent = agentOf(on, 'web-1');
  await agent.logged('connected to the controller');
  const topic = `${newTopic()}.x`;
  await createTopic(on.kafka, 1, { name: topic });
  const write = (to: string) => {
    const entry = { name: 'entries/app', paths: [on.dir.at('*.log')], topic: to };
    return on.controller.api.call('EntryService', 'UpdateEntry', { entry, allow_missing: true });
  };
  await waitUntilAcknowledged(on, 'web-1', await write(topic));
  // Kafka refuses two topics whose names differ only in "." and "_".
  await waitUntilAcknowledged(on, 'web-1', await write(topic.replace('.x', '_x')), 'STATE_FAILED');
  await waitUntilAcknowledged(on, 'web-1', await write(topic));
});

test('an entry whose lines Kafka refuses is FAILED with the reason, until its lines go to another topic', async () => {
  await using on = await createFleet();
  const [refusing, topic] = [newTopic(), newTopic()];
  await createTopic(on.kafka, 1, { name: refusing, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] });
  await createTopic(on.kafka, 1, { name: topic });
  await using agent = agentOf(on, 'web-1');
  await agent.logged('connected to the controller');
  const write = (to: string) => {
    const entry = { name: 'entries/app', paths: [on.dir.at('*.log')], topic: to, start: 'beginning' };
    return on.controller.api.call('EntryService', 'UpdateEntry', { entry, allow_missing: true });
  };
  await waitUntilAcknowledged(on, 'web-1', await write(refusing));
  await writeFile(on.dir.at('a.log'), 'one\ntwo\n');
  const { message } = await agent.logged('delivery is held up');
  assert.ok(message);
  await waitUntilAcknowledged(on, 'web-1', { name: 'entries/app', etag: (await write(refusing)).etag }, 'STATE_FAILED');
  const { entries } = await agentStatus(on, 'web-1');
  assert.match(entries[0].error, /INVALID_RECORD.*cleanup\.policy must be delete/);
  await waitUntilAcknowledged(on, 'web-1', await write(topic));
  await waitUntilDelivered(on, topic, 2);
});
