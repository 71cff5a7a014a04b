import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type RecordBatch, stampProducer } from '../../../agent/encode/record-batch.ts';
import type { ProducerIdentity } from '../../../agent/kafka/kafka-messages.ts';
import { acquireProducer } from '../../../agent/produce/acquire-producer.ts';
import { QueuedBatch } from '../../../agent/produce/queued-batch.ts';
import { eventually } from '../../support/eventually.ts';
import { killedAfterThree, killedBeforeSending, partitionFixture } from '../../support/killed-processes.ts';
import { PartitionProcess } from '../../support/partition.ts';
import { createTopic, deleteTopic, readTopic } from '../../support/topics.ts';

async function lines(brokers: readonly string[], topic: string): Promise<number[]> {
  return (await readTopic(brokers, topic)).map(({ value }) => Number(value));
}

// vector file_start_position_server_restart_unfinalized, otel #20552: a crash between Kafka's
// response and the checkpoint.
test('what Kafka has of a killed process counts as delivered, and is neither rebuilt nor resent', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  assert.equal(next.open.length, 3);
  next.restore();
  next.send(4);
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3, 4]));
  assert.deepEqual(next.built, []);
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4]);
});

test('what Kafka lacks of a killed process is rebuilt and sent in order, before new batches', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4, 5]);
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  next.send(6);
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3, 4, 5, 6]));
  assert.deepEqual(next.built, [4, 5]);
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5, 6]);
});

test("a batch that can't be rebuilt is returned with those after it, and another producer id is used", async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4, 5, 6]);
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore((number) => number !== 5);
  await eventually(() => assert.deepEqual(next.returned, [5, 6]));
  next.send(5);
  next.send(6);
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3, 4, 5, 6]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5, 6]);
});

test('a late request with the sequence of a returned batch takes no line away', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  await using late = new PartitionProcess(on.brokers, on.topic, on.dir.at('elsewhere'));
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  const { producer } = next.ledger;
  next.restore(() => false);
  await eventually(() => assert.deepEqual(next.returned, [4]));
  const { encoded } = late.batch(4);
  stampProducer(encoded, producer as ProducerIdentity, 3);
  await late.cluster.produce(on.topic, 0, encoded);
  // Of as many records as the late one.
  next.send(5);
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3, 5]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5]);
});

test('the process after one that returned a batch does not use its producer id either', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  const returning = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  const { producer } = returning.ledger;
  returning.restore(() => false);
  await eventually(() => assert.deepEqual(returning.returned, [4]));
  returning.state.flush(Date.now());
  await returning[Symbol.asyncDispose]();
  await using late = new PartitionProcess(on.brokers, on.topic, on.dir.at('elsewhere'));
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  assert.equal(next.ledger.isUsable, false);
  const { encoded } = late.batch(4);
  stampProducer(encoded, producer as ProducerIdentity, 3);
  await late.cluster.produce(on.topic, 0, encoded);
  next.send(5);
  await eventually(() => assert.deepEqual(next.acknowledged, [5]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5]);
});

// Seen in a chaos run: a proxy forwarded the killed process's last request seconds after the next
// process had asked Kafka.
test("lines are returned only after a late request of the killed process can't arrive any more", async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  await using late = new PartitionProcess(on.brokers, on.topic, on.dir.at('elsewhere'));
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore(() => false);
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3]));
  const { encoded } = late.batch(4);
  stampProducer(encoded, next.ledger.producer as ProducerIdentity, 3);
  await late.cluster.produce(on.topic, 0, encoded);
  next.send(5);
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3, 4, 5]));
  assert.deepEqual([next.returned, await lines(on.brokers, on.topic)], [[], [1, 2, 3, 4, 5]]);
});

test('a process that is killed while it recovers leaves the same work to the next one', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  for (let round = 0; round < 3; round++) {
    await killedBeforeSending(on, [4 + 2 * round, 5 + 2 * round]);
    await using dying = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
    dying.restore();
    await eventually(() => assert.ok(dying.acknowledged.length > 0));
  }
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3, 4, 5, 6, 7, 8, 9]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

// If Kafka no longer knows the id (expired, truncated), success for a repeat proves nothing: it is
// appended twice.
test('when Kafka has forgotten the producer id, the log is read back', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  // Ids expire after a day, so the test fakes the response. The log is Kafka's.
  const next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.cluster.lastSequence = async () => undefined;
  next.restore();
  await eventually(() => assert.deepEqual(next.returned, [4]));
  assert.deepEqual(next.acknowledged, [1, 2, 3]);
  next.send(4);
  await eventually(() => assert.deepEqual(next.acknowledged, [1, 2, 3, 4]));
  await next[Symbol.asyncDispose]();
  await using third = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  const open = third.open.map(({ segments }) => segments[0]?.start);
  assert.deepEqual(open, [4], 'intents of the previous id are closed before anything is sent with another');
  third.restore();
  await eventually(() => assert.deepEqual(third.acknowledged, [4]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4]);
});

test('a topic that was deleted and made again has nothing of the previous one', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await deleteTopic(on.brokers, on.topic);
  await createTopic(on.brokers, 1, { name: on.topic });
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  await eventually(() => assert.deepEqual(next.returned, [1, 2, 3]));
  next.send(7);
  await eventually(() => assert.deepEqual(next.acknowledged, [7]));
  assert.deepEqual(await lines(on.brokers, on.topic), [7]);
});

// Two agents with one id lose lines silently: the broker takes the second one's batches for
// repeats.
test("a copied state asks about the original's producer id and sends with another", async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  await cp(on.dir.at('state'), on.dir.at('copy'), { recursive: true });
  await using original = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  await using copy = new PartitionProcess(on.brokers, on.topic, on.dir.at('copy'));
  assert.deepEqual([original.own, copy.own], [true, false]);
  copy.restore();
  await eventually(() => assert.deepEqual([copy.acknowledged, copy.returned], [[1, 2, 3], [4]]));
  copy.send(5);
  original.restore();
  await eventually(() => assert.ok(copy.acknowledged.includes(5) && original.acknowledged.includes(4)));
  const ids = [original, copy].map(({ ledger }) => ledger.producer?.id);
  assert.notEqual(ids[0], ids[1]);
  assert.deepEqual((await lines(on.brokers, on.topic)).sort(), [1, 2, 3, 4, 5]);
});

test('a state older than what Kafka has of its producer id is not trusted', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  await cp(on.dir.at('state'), on.dir.at('old'), { recursive: true });
  {
    await using later = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
    later.restore();
    later.send(4);
    await eventually(() => assert.ok(later.acknowledged.includes(4)));
  }
  await using old = new PartitionProcess(on.brokers, on.topic, on.dir.at('old'));
  old.restore();
  // In the old state this is the producer's fourth record, as 4 was. A broker would confirm it as a
  // repeat, and it would be lost.
  old.send(5);
  await eventually(() => assert.ok(old.acknowledged.includes(5)));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5]);
});

test("a batch whose intent can't be written waits, and is sent once it can be", async () => {
  const on = await partitionFixture();
  await using process = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  process.send(1);
  await eventually(() => assert.deepEqual(process.acknowledged, [1]));
  process.state.db.exec('PRAGMA query_only = ON');
  process.send(2);
  await eventually(() => assert.match(process.producer.failure?.message ?? '', /checkpoints\.db can't be used/));
  assert.deepEqual(await lines(on.brokers, on.topic), [1]);
  process.state.db.exec('PRAGMA query_only = OFF');
  await eventually(() => assert.deepEqual(process.acknowledged, [1, 2]));
});

test('intents are deleted together with the write of their positions', async () => {
  const on = await partitionFixture();
  {
    await using process = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
    process.send(1);
    await eventually(() => assert.deepEqual(process.acknowledged, [1]));
    process.state.flush(1);
  }
  const db = new DatabaseSync(on.dir.at('state/checkpoints.db'));
  const { open } = db.prepare('SELECT count(*) AS open FROM intent').get() as { open: number };
  const producer = db.prepare('SELECT next_sequence, last_offset FROM producer').get();
  db.close();
  assert.equal(open, 0);
  assert.deepEqual({ ...producer }, { next_sequence: 1, last_offset: 0 });
});

// The id's first batch: Kafka does not know the id yet and accepts any sequence from it.
test("a late request of the killed process is not appended twice when it is its id's first", async () => {
  const on = await partitionFixture();
  const killed = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  await acquireProducer(killed.cluster, killed.ledger);
  const producer = killed.ledger.producer as ProducerIdentity;
  killed.ledger.assignSequence(QueuedBatch.fromOutgoing(killed.batch(1)));
  await killed[Symbol.asyncDispose]();
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  // A returned batch is read again.
  await eventually(() => {
    for (const number of next.returned.splice(0)) next.send(number);
    assert.deepEqual(next.acknowledged, [1]);
  });
  await using late = new PartitionProcess(on.brokers, on.topic, on.dir.at('elsewhere'));
  const { encoded } = late.batch(1);
  stampProducer(encoded, producer, 0);
  await late.cluster.produce(on.topic, 0, encoded);
  assert.deepEqual(await lines(on.brokers, on.topic), [1]);
});

// A hung leader is replaced: a batch sent to the new leader is acknowledged before one sent to the
// old.
test('a batch is found although a later one was acknowledged first', async () => {
  const on = await partitionFixture();
  await killedAfterThree(on);
  {
    await using dying = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
    dying.restore();
    await eventually(() => assert.deepEqual(dying.acknowledged, [1, 2, 3]));
    const sent = [4, 5].map((number) => ({ number, batch: QueuedBatch.fromOutgoing(dying.batch(number)) }));
    for (const { number, batch } of sent) {
      dying.ledger.assignSequence(batch);
      const { baseOffset } = await dying.cluster.produce(on.topic, 0, batch.encoded as RecordBatch);
      if (number === 5) dying.ledger.acknowledged(batch, baseOffset);
    }
    dying.state.flush(1);
  }
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  await eventually(() => assert.equal(next.acknowledged.length + next.returned.length, 1));
  assert.deepEqual([next.acknowledged, next.returned], [[4], []]);
});
