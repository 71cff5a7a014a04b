import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SizeLimits } from '../../../agent/produce/size-limits.ts';

test('a refused batch halves the next ones, down to a minimum, and limits never grow', () => {
  const limits = new SizeLimits();
  assert.deepEqual([limits.shrinkBatches(800_000), limits.batchBytesMax], [true, 400_000]);
  assert.deepEqual([limits.shrinkBatches(900_000), limits.batchBytesMax], [false, 400_000]);
  assert.deepEqual([limits.shrinkBatches(10), limits.batchBytesMax], [true, 1_024]);
});

test('a refused record halves lines until they are as small as they can be', () => {
  const limits = new SizeLimits();
  assert.deepEqual([limits.shrinkLines(5_000, Number.POSITIVE_INFINITY), limits.lineBytesMax], ['smaller', 2_500]);
  assert.equal(limits.shrinkLines(5_000, Number.POSITIVE_INFINITY), 'unchanged', 'read before the limit was lowered');
  assert.deepEqual([limits.shrinkLines(2_600, 2_500), limits.lineBytesMax], ['smaller', 1_250]);
  assert.deepEqual([limits.shrinkLines(1_300, 1_250), limits.lineBytesMax], ['smaller', 1_024]);
  assert.equal(limits.shrinkLines(1_100, 1_024), 'smallest');
});
