import assert, { AssertionError } from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { WorkPool } from '../../../agent/encode/work-pool.ts';

test('who needs memory waits in order; blocked partitions together get half of it', async () => {
  const pool = new WorkPool(100, 1);
  const granted: string[] = [];
  await pool.reserveForBlocked(50);
  void pool.reserveForBlocked(10).then(() => granted.push('blocked'));
  await pool.reserveBytes(40);
  void pool.reserveBytes(20).then(() => granted.push('large'));
  void pool.reserveBytes(5).then(() => granted.push('small'));
  await setImmediate();
  assert.deepEqual(granted, [], 'the small one does not overtake the large one');
  pool.releaseBytes(40);
  await setImmediate();
  assert.deepEqual(granted, ['large', 'small']);
  pool.releaseFromBlocked(50);
  await setImmediate();
  assert.deepEqual(granted, ['large', 'small', 'blocked']);
});

test('a workbench is reused, and releasing more than was acquired is a defect', async () => {
  const pool = new WorkPool(100, 1);
  const bench = await pool.acquireBench();
  pool.releaseBench(bench);
  assert.equal(await pool.acquireBench(), bench);
  assert.throws(() => pool.releaseBytes(1), AssertionError);
});
