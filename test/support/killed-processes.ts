import assert from 'node:assert/strict';
import { QueuedBatch } from '../../agent/produce/queued-batch.ts';
import { eventually } from './eventually.ts';
import { PartitionProcess } from './partition.ts';
import { sharedKafka } from './servers.ts';
import { type TempDir, tempDir } from './temp-dir.ts';
import { createTopic } from './topics.ts';

export interface PartitionGround {
  brokers: string[];
  topic: string;
  dir: TempDir;
}

/** A topic of its own, and a folder for the state of what writes to it. */
export async function partitionGround(): Promise<PartitionGround> {
  const brokers = await sharedKafka();
  return { brokers, topic: await createTopic(brokers), dir: await tempDir() };
}

/**
 * A process that sent 1, 2 and 3 and was killed before it wrote down the answers; the state before
 * 2 and 3 were answered is the same.
 */
export async function killedAfterThree({ brokers, topic, dir }: PartitionGround): Promise<void> {
  await using first = new PartitionProcess(brokers, topic, dir.at('state'));
  for (const number of [1, 2, 3]) {
    first.send(number);
    await eventually(() => assert.ok(first.acknowledged.includes(number)));
  }
}

/** A process that wrote down that it would send these, and was killed before it did. */
export async function killedBeforeSending({ brokers, topic, dir }: PartitionGround, numbers: number[]): Promise<void> {
  await using process = new PartitionProcess(brokers, topic, dir.at('state'));
  process.ledger.restore(process.former().map(QueuedBatch.fromRecovered));
  for (const number of numbers) process.ledger.assignSequence(QueuedBatch.fromOutgoing(process.batch(number)));
}
