import { test } from 'node:test';
import { agentOf, createFleet, waitUntilAcknowledged } from '../../support/fleet-fixture.ts';
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
