import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBehindProxy } from '../../support/behind-proxy.ts';
import { eventually } from '../../support/eventually.ts';
import { startWriter } from '../../support/line-writer.ts';
import { countRecords, createTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };

// kafkajs #907, #919 (catalogue 97): a firewall drops a connection silently. Meanwhile the broker
// forgets the producer id, so it would append a repeat.
test('a half-open connection is given up within the timeout, and batches in flight arrive once', async () => {
  await using on = await startBehindProxy();
  const topic = await createTopic(on.direct);
  const writer = startWriter(on.dir.at('hole.log'));
  await using agent = await on.startAgent('hole', topic);
  await eventually(async () => assert.ok((await countRecords(on.direct, topic)) > 100), PATIENCE);
  on.proxy.setMode('hole');
  await eventually(() => assert.match(agent.stderr(), /does not respond/), PATIENCE);
  on.proxy.setMode('pass');
  await on.flowing(topic, 200);
  await writer.stop();
  await on.isWhole(topic, writer.bytes, writer.lines, agent);
});
