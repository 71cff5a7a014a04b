import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GivenRecord, given, loss, record, verify } from '../../support/verify-fixture.ts';

test('a loss with an open end explains the hole that it begins, and none behind the records of a file that returned', async () => {
  const records = [[0, 10] as const, [20, 30] as const, [40, 50] as const].map(([start, end]) =>
    record({ start, end, generation: 'returned' }),
  );
  const { topic, audit } = await given(records, [loss('returned', 10, 15, true)]);
  const { code, found } = await verify([topic], ...audit, '-o', 'json');
  const ranges = (holes: GivenRecord[]) => holes.map(({ start, end }) => [start, end]);
  assert.deepEqual([code, ranges(found.losses), ranges(found.holes)], [1, [[10, 20]], [[30, 40]]]);
});
