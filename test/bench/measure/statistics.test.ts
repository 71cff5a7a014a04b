import assert from 'node:assert/strict';
import { test } from 'node:test';
import { growthExponent, median, quantile } from '../../../bench/measure/statistics.ts';

test('the median is the middle one, or between the middle two, in whatever order they come', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 1, 9, 2]), 5.5);
});

test('a quantile lies between two values by proportion, and there is none of nothing', () => {
  assert.equal(quantile([0, 10, 20, 30, 40], 0.5), 20);
  assert.equal(quantile([0, 10, 20, 30, 40], 0.99), 39.6);
  assert.equal(quantile([7], 0.999), 7);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test('what grows by a power has its exponent, whatever the factor', () => {
  const sizes = [64, 128, 256, 512];
  for (const power of [0.5, 1, 2]) {
    const points = sizes.map((x) => ({ x, y: 0.003 * x ** power }));
    assert.ok(Math.abs(growthExponent(points) - power) < 1e-9);
  }
});
