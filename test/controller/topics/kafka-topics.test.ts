import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KafkaTopics } from '../../../controller/topics/kafka-topics.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedKafka } from '../../support/servers.ts';
import { newTopic, topicConfigs } from '../../support/topics.ts';

// With a broker whose default is to compact, facts would be removed.
test('the audit topic gets its retention and cleanup policy explicitly, other topics the defaults of the brokers', async () => {
  const brokers = await sharedKafka();
  const [audit, other] = [newTopic(), newTopic()];
  const logger = createLogger({ level: 'error', format: 'json', write: () => {} });
  const open = { tls: { current: undefined }, sasl: { current: undefined } };
  const settings = { brokers, ...open, partitions: 1, replicationFactor: 1, unlimitedRetention: audit };
  const topics = new KafkaTopics(settings, { clock: systemClock, logger });
  const stopping = new AbortController();
  const running = topics.run(() => [audit, other], stopping.signal);
  await eventually(() => {
    for (const topic of [audit, other]) assert.equal(topics.status(topic).state, 'STATE_READY');
  });
  stopping.abort();
  await running;
  assert.deepEqual(await topicConfigs(brokers, audit), { 'cleanup.policy': 'delete', 'retention.ms': '-1' });
  assert.deepEqual(await topicConfigs(brokers, other), {});
});
