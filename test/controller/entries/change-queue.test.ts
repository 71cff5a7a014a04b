import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeQueue } from '../../../controller/entries/change-queue.ts';

const change = (revision: number, bytes = 1) => ({ key: 'k', value: 'x'.repeat(bytes), revision: BigInt(revision) });

async function take(queue: ChangeQueue): Promise<number[]> {
  const taken: number[] = [];
  for await (const { revision } of queue) taken.push(Number(revision));
  return taken;
}

test('a queue that its follower does not empty ends after the changes put so far', async () => {
  const many = new ChangeQueue();
  for (let revision = 0; revision < 5_000; revision++) many.put([change(revision)]);
  const taken = await take(many);
  assert.deepEqual([taken.length, taken.at(-1)], [1_001, 1_000]);
  const large = new ChangeQueue();
  for (let revision = 0; revision < 5; revision++) large.put([change(revision, 3 << 20)]);
  assert.deepEqual(await take(large), [0, 1, 2]);
});

test('the error that ends a queue comes after the waiting changes', async () => {
  const queue = new ChangeQueue();
  const taking = take(queue);
  queue.put([change(1)]);
  queue.end(new Error('the watch is gone'));
  await assert.rejects(taking, /the watch is gone/);
});
