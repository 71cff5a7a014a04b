import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generatePlan } from './generate.ts';
import { ENTRY_OPERATIONS, FILE_OPERATIONS, LAYOUTS } from './plan.ts';

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

test('the entry is changed in a fleet only, in each way', () => {
  const drawnIn = (isFleet: boolean) => {
    const plans = Array.from({ length: 20 }, (_, seed) => generatePlan(seed, 1, isFleet));
    const kinds = new Set<string>(plans.flatMap(({ operations }) => operations.map(({ kind }) => kind)));
    return ENTRY_OPERATIONS.filter((kind) => kinds.has(kind));
  };
  assert.deepEqual(drawnIn(true), [...ENTRY_OPERATIONS]);
  assert.deepEqual(drawnIn(false), []);
});
