import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { PartitionProcess } from '../../support/partition.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, newTopic } from '../../support/topics.ts';

// Batches of several partitions that kept their memory behind a parked one used up the budget, so
// no parked batch could ever be built again, and delivery stopped for all of them.
test('a batch that is queued behind a parked one gives up its memory, also when delivery has resumed', async () => {
  const kafka = await sharedKafka();
  // Batches wait until the topic exists.
  const topic = newTopic();
  await using dir = await tempDir();
  await using process = new PartitionProcess(kafka, topic, dir.path);
  const parked = new Set<number>();
  const memory = Promise.withResolvers<void>();
  const send = (number: number) => {
    const batch = process.batch(number);
    const { encoded } = batch;
    const build = async () => {
      // The second batch waits for memory when the first one is acknowledged.
      if (number === 2) await memory.promise;
      return encoded;
    };
    process.producer.enqueue({ ...batch, park: () => parked.add(number), build });
  };
  send(1);
  await eventually(() => assert.deepEqual([...parked], [1]));
  send(2);
  assert.deepEqual([...parked], [1, 2]);
  await createTopic(kafka, 1, { name: topic });
  await eventually(() => assert.deepEqual(process.acknowledged, [1]), { timeoutMs: 30_000 });
  assert.equal(process.producer.failure, undefined);
  send(3);
  assert.deepEqual([...parked], [1, 2, 3]);
  memory.resolve();
  await eventually(() => assert.deepEqual(process.acknowledged, [1, 2, 3]), { timeoutMs: 30_000 });
});
