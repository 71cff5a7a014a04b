import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startKafka } from '../../../stack/kafka.ts';
import { eventually } from '../../support/eventually.ts';
import { PartitionProcess } from '../../support/partition.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, readTopic } from '../../support/topics.ts';

// Seen in a chaos run with 200 kills: the leader reported a batch that no replica had yet, and was
// killed.
test("a killed process's batches that only the leader has do not count as acknowledged", async () => {
  await using dir = await tempDir();
  const kafka = await startKafka({ dataDir: dir.at('kafka'), brokers: 2 });
  const [leader, follower] = kafka.brokers;
  const pause = (signal: NodeJS.Signals) => process.kill(follower?.pid as number, signal);
  try {
    const replicaAssignment = [{ partition: 0, replicas: [1, 2] }];
    // The hung replica leaves the in-sync replicas after 9 s. With this minimum, a batch that it
    // lacks is not committed then either.
    const configEntries = [{ name: 'min.insync.replicas', value: '2' }];
    const topic = await createTopic(kafka.bootstrap, -1, { replicaAssignment, configEntries });
    const brokers = [leader?.address ?? ''];
    {
      await using killed = new PartitionProcess(brokers, topic, dir.at('state'));
      killed.send(1);
      await eventually(() => assert.deepEqual(killed.acknowledged, [1]));
      killed.state.flush(1);
      pause('SIGSTOP');
      killed.send(2);
      const producer = killed.ledger.producer;
      assert.ok(producer);
      await eventually(async () => assert.equal(await killed.cluster.lastSequence(topic, 0, producer), 1));
    }
    await using next = new PartitionProcess(brokers, topic, dir.at('state'));
    next.restore();
    await eventually(() => assert.match(next.logged.join(), /do not have the leader's last batches yet/), {
      timeoutMs: 30_000,
    });
    assert.deepEqual(next.acknowledged, []);
    pause('SIGCONT');
    await eventually(() => assert.deepEqual(next.acknowledged, [2]));
    assert.deepEqual(
      (await readTopic(kafka.bootstrap, topic)).map(({ value }) => String(value)),
      ['1', '2'],
    );
  } finally {
    pause('SIGCONT');
    await kafka.stop();
  }
});
