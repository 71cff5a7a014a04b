import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generatePlan } from './generate.ts';
import { FILE_OPERATIONS, LAYOUTS } from './plan.ts';

test('the same seed makes the same plan, another seed another one', () => {
  assert.deepEqual(generatePlan(7, 1), generatePlan(7, 1));
  assert.notDeepEqual(generatePlan(7, 1), generatePlan(8, 1));
});

test('a hundred seeds draw each operation and each layout', () => {
  const plans = Array.from({ length: 100 }, (_, seed) => generatePlan(seed, 1));
  const kinds = new Set<string>(plans.flatMap(({ operations }) => operations.map(({ kind }) => kind)));
  assert.deepEqual(
    FILE_OPERATIONS.filter((kind) => !kinds.has(kind)),
    [],
  );
  const layouts = new Set(plans.map(({ settings }) => settings.layout));
  assert.equal(layouts.size, Object.keys(LAYOUTS).length);
});
