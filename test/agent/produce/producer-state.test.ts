import assert, { AssertionError } from 'node:assert/strict';
import { test } from 'node:test';
import { transition } from '../../../agent/produce/producer-state.ts';

const STATES = ['OPEN', 'SETTLING', 'RECOVERING', 'CLOSED'] as const;

test('a producer changes its state only along the table of transitions', () => {
  const legal = STATES.flatMap((from) =>
    STATES.filter((to) => {
      try {
        return transition(from, to) === to;
      } catch (error) {
        assert.ok(error instanceof AssertionError);
        return false;
      }
    }).map((to) => `${from} → ${to}`),
  );
  assert.deepEqual(legal, [
    'OPEN → SETTLING',
    'OPEN → RECOVERING',
    'OPEN → CLOSED',
    'SETTLING → OPEN',
    'SETTLING → RECOVERING',
    'SETTLING → CLOSED',
    'RECOVERING → OPEN',
    'RECOVERING → CLOSED',
  ]);
});
