import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { outgoing, recovered } from '../../../agent/deliver/outgoing-batch.ts';
import { stampProducer } from '../../../agent/deliver/record-batch.ts';
import type { ProducerIdentity } from '../../../agent/kafka/kafka-messages.ts';
import { eventually } from '../../support/eventually.ts';
import { PartitionProcess } from '../../support/partition.ts';
import { sharedKafka } from '../../support/servers.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { createTopic, deleteTopic, readTopic } from '../../support/topics.ts';

async function lines(brokers: readonly string[], topic: string): Promise<number[]> {
  return (await readTopic(brokers, topic)).map(({ value }) => Number(value));
}

interface Ground {
  brokers: string[];
  topic: string;
  dir: TempDir;
}

async function ground(): Promise<Ground> {
  const brokers = await sharedKafka();
  return { brokers, topic: await createTopic(brokers), dir: await tempDir() };
}

/** A process that sent 1, 2 and 3 and was killed before it wrote down the answers; the state before 2 and 3 were answered is the same. */
async function killedAfterThree({ brokers, topic, dir }: Ground): Promise<void> {
  await using first = new PartitionProcess(brokers, topic, dir.at('state'));
  for (const number of [1, 2, 3]) {
    first.send(number);
    await eventually(() => assert.ok(first.delivered.includes(number)));
  }
}

/** A process that wrote down that it would send these, and was killed before it did. */
async function killedBeforeSending({ brokers, topic, dir }: Ground, numbers: number[]): Promise<void> {
  await using process = new PartitionProcess(brokers, topic, dir.at('state'));
  process.ledger.restore(process.former().map(recovered));
  for (const number of numbers) process.ledger.place(outgoing(process.batch(number)));
}

// vector file_start_position_server_restart_unfinalized, otel #20552: a crash between Kafka's answer and the checkpoint.
test('what Kafka has of a killed process is found delivered, and is neither built nor sent again', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  assert.equal(next.open.length, 3);
  next.restore();
  next.send(4);
  await eventually(() => assert.deepEqual(next.delivered, [1, 2, 3, 4]));
  assert.deepEqual(next.built, []);
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4]);
});

test('what Kafka has not of a killed process is built again and sent in its order, before what is new', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4, 5]);
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  next.send(6);
  await eventually(() => assert.deepEqual(next.delivered, [1, 2, 3, 4, 5, 6]));
  assert.deepEqual(next.built, [4, 5]);
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5, 6]);
});

test('what can not be built again is given back, with all that comes after it, and its place is taken by what is new', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4, 5, 6]);
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore((number) => number !== 5);
  await eventually(() => assert.deepEqual(next.returned, [5, 6]));
  next.send(5);
  next.send(6);
  await eventually(() => assert.deepEqual(next.delivered, [1, 2, 3, 4, 5, 6]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5, 6]);
});

// Seen in a run of chaos: a proxy forwarded the killed process's last request seconds after the next one had asked.
test('a request of the killed process that is still on its way is waited for before its lines are given back', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  await using late = new PartitionProcess(on.brokers, on.topic, on.dir.at('elsewhere'));
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore(() => false);
  await eventually(() => assert.deepEqual(next.delivered, [1, 2, 3]));
  const { encoded } = late.batch(4);
  stampProducer(encoded, next.ledger.producer as ProducerIdentity, 3);
  await late.cluster.produce(on.topic, 0, encoded);
  next.send(5);
  await eventually(() => assert.deepEqual(next.delivered, [1, 2, 3, 4, 5]));
  assert.deepEqual([next.returned, await lines(on.brokers, on.topic)], [[], [1, 2, 3, 4, 5]]);
});

test('a process that is killed while it recovers leaves the same to the next one', async () => {
  const on = await ground();
  await killedAfterThree(on);
  for (let round = 0; round < 3; round++) {
    await killedBeforeSending(on, [4 + 2 * round, 5 + 2 * round]);
    await using dying = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
    dying.restore();
    await eventually(() => assert.ok(dying.delivered.length > 0));
  }
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  await eventually(() => assert.deepEqual(next.delivered, [1, 2, 3, 4, 5, 6, 7, 8, 9]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

// An id that Kafka does not know any more (expired, truncated): "success" to a repetition would prove nothing, it would be appended twice.
test('when Kafka has forgotten the producer id, the log itself tells what it has', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  // Ids expire after a day: the answer is the test's, the log is Kafka's.
  const next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.cluster.lastSequence = async () => undefined;
  next.restore();
  await eventually(() => assert.deepEqual(next.returned, [4]));
  assert.deepEqual(next.delivered, [1, 2, 3]);
  next.send(4);
  await eventually(() => assert.deepEqual(next.delivered, [1, 2, 3, 4]));
  await next[Symbol.asyncDispose]();
  await using third = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  const open = third.open.map(({ segments }) => segments[0]?.start);
  assert.deepEqual(open, [4], 'what was sent by the former id is closed before anything is sent by another');
  third.restore();
  await eventually(() => assert.deepEqual(third.delivered, [4]));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4]);
});

test('a topic that was deleted and made again has nothing of the former one', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await deleteTopic(on.brokers, on.topic);
  await createTopic(on.brokers, 1, { name: on.topic });
  await using next = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  next.restore();
  await eventually(() => assert.deepEqual(next.returned, [1, 2, 3]));
  next.send(7);
  await eventually(() => assert.deepEqual(next.delivered, [7]));
  assert.deepEqual(await lines(on.brokers, on.topic), [7]);
});

// Two writers with one id lose lines without a word: the broker takes the second's batches for repetitions of the first's.
test('a state that was copied beside its original asks by the former id and sends by another', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await killedBeforeSending(on, [4]);
  await cp(on.dir.at('state'), on.dir.at('copy'), { recursive: true });
  await using original = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  await using copy = new PartitionProcess(on.brokers, on.topic, on.dir.at('copy'));
  assert.deepEqual([original.own, copy.own], [true, false]);
  copy.restore();
  await eventually(() => assert.deepEqual([copy.delivered, copy.returned], [[1, 2, 3], [4]]));
  copy.send(5);
  original.restore();
  await eventually(() => assert.ok(copy.delivered.includes(5) && original.delivered.includes(4)));
  const ids = [original, copy].map(({ ledger }) => ledger.producer?.id);
  assert.notEqual(ids[0], ids[1]);
  assert.deepEqual((await lines(on.brokers, on.topic)).sort(), [1, 2, 3, 4, 5]);
});

test('a state that is older than what Kafka has of its id is not taken at its word', async () => {
  const on = await ground();
  await killedAfterThree(on);
  await cp(on.dir.at('state'), on.dir.at('old'), { recursive: true });
  {
    await using later = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
    later.restore();
    later.send(4);
    await eventually(() => assert.ok(later.delivered.includes(4)));
  }
  await using old = new PartitionProcess(on.brokers, on.topic, on.dir.at('old'));
  old.restore();
  // By the old state this is the producer's fourth record, as 4 was: a broker would answer it as a repetition, and lose it.
  old.send(5);
  await eventually(() => assert.ok(old.delivered.includes(5)));
  assert.deepEqual(await lines(on.brokers, on.topic), [1, 2, 3, 4, 5]);
});

test('a batch whose intent can not be written waits, and is sent when it can be', async () => {
  const on = await ground();
  await using process = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
  process.send(1);
  await eventually(() => assert.deepEqual(process.delivered, [1]));
  process.state.db.exec('PRAGMA query_only = ON');
  process.send(2);
  await eventually(() => assert.match(process.producer.failure?.message ?? '', /checkpoints\.db can't be used/));
  assert.deepEqual(await lines(on.brokers, on.topic), [1]);
  process.state.db.exec('PRAGMA query_only = OFF');
  await eventually(() => assert.deepEqual(process.delivered, [1, 2]));
});

test('intents leave the disk together with the positions that they led to', async () => {
  const on = await ground();
  {
    await using process = new PartitionProcess(on.brokers, on.topic, on.dir.at('state'));
    process.send(1);
    await eventually(() => assert.deepEqual(process.delivered, [1]));
    process.state.flush(1);
  }
  const db = new DatabaseSync(on.dir.at('state/checkpoints.db'));
  const { open } = db.prepare('SELECT count(*) AS open FROM intent').get() as { open: number };
  const producer = db.prepare('SELECT next_sequence, last_offset FROM producer').get();
  db.close();
  assert.equal(open, 0);
  assert.deepEqual({ ...producer }, { next_sequence: 1, last_offset: 0 });
});
