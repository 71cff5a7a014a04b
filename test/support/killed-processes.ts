import assert from 'node:assert/strict';
import { QueuedBatch } from '../../agent/produce/queued-batch.ts';
import { eventually } from './eventually.ts';
import { PartitionProcess } from './partition.ts';
import { sharedKafka } from './servers.ts';
import { type TempDir, tempDir } from './temp-dir.ts';
import { createTopic } from './topics.ts';

export interface PartitionFixture {
  brokers: string[];
  topic: string;
  dir: TempDir;
}

/** A new topic, and a folder for the state of the processes that write to it. */
export async function partitionFixture(): Promise<PartitionFixture> {
  const brokers = await sharedKafka();
  return { brokers, topic: await createTopic(brokers), dir: await tempDir() };
}

/**
 * A process that sent 1, 2 and 3 and was killed before it stored any acknowledgement. Its state is
 * the same as before the responses to 2 and 3.
 */
export async function killedAfterThree({ brokers, topic, dir }: PartitionFixture): Promise<void> {
  await using first = new PartitionProcess(brokers, topic, dir.at('state'));
  for (const number of [1, 2, 3]) {
    first.send(number);
    await eventually(() => assert.ok(first.acknowledged.includes(number)));
  }
}

/** A process that stored the intents of these batches and was killed before it sent them. */
export async function killedBeforeSending({ brokers, topic, dir }: PartitionFixture, numbers: number[]): Promise<void> {
  await using process = new PartitionProcess(brokers, topic, dir.at('state'));
  process.ledger.restore(process.former().map(QueuedBatch.fromRecovered));
  for (const number of numbers) process.ledger.assignSequence(QueuedBatch.fromOutgoing(process.batch(number)));
}
