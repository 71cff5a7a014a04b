import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { KafkaConnection } from '../../../agent/kafka/kafka-connection.ts';
import { describeProducers } from '../../../agent/kafka/kafka-messages.ts';
import { type BehindProxy, startBehindProxy } from '../../support/behind-proxy.ts';
import { eventually } from '../../support/eventually.ts';
import { startWriter } from '../../support/line-writer.ts';
import { countRecords, createTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };

let on: BehindProxy;

before(async () => {
  on = await startBehindProxy();
});

after(() => on[Symbol.asyncDispose]());

// KIP-98 (catalogue 87).
test('batches whose responses are lost arrive once', async () => {
  const topic = await createTopic(on.direct);
  const writer = startWriter(on.dir.at('replies.log'));
  await using agent = await on.startAgent('replies', topic);
  await eventually(async () => assert.ok((await countRecords(on.direct, topic)) > 100), PATIENCE);
  for (let round = 0; round < 3; round++) {
    const from = await countRecords(on.direct, topic);
    on.proxy.setMode('drop-replies');
    // Batches arrive until the agent waits for responses.
    await eventually(async () => assert.ok((await countRecords(on.direct, topic)) > from), PATIENCE);
    on.proxy.setMode('pass');
    await on.flowing(topic, 200);
  }
  await writer.stop();
  await on.isWhole(topic, writer.bytes, writer.lines, agent);
});

// platformatic #309, librdkafka #3584, confluent-go #830 (catalogue 89).
test('a broker that forgets the producer id in between gets each line once', async () => {
  const topic = await createTopic(on.direct);
  await writeFile(on.dir.at('forgotten.log'), '');
  await using agent = await on.startAgent('forgotten', topic);
  let bytes = '';
  for (let round = 1; round <= 3; round++) {
    const more = Array.from({ length: 1_000 }, (_, index) => `${round} ${index}\n`).join('');
    bytes += more;
    await appendFile(on.dir.at('forgotten.log'), more);
    await eventually(
      async () => assert.equal(await countRecords(on.direct, topic), round * 1_000, agent.stderr()),
      PATIENCE,
    );
    await eventually(async () => assert.equal(await knownProducers(topic), 0), PATIENCE);
  }
  await on.isWhole(topic, bytes, 3_000, agent);
});

async function knownProducers(topic: string): Promise<number> {
  const [host, port] = (on.direct[0] as string).split(':') as [string, string];
  const connection = await KafkaConnection.open({ host, port: Number(port) }, { clientId: 'test', requiredApis: [] });
  try {
    return (await connection.request(describeProducers(topic, 0))).producers.length;
  } finally {
    connection.close();
  }
}
