import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Coverage, type Range } from '../../../cli/verify/coverage.ts';

const SIZE = 40;
const range = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([a, b]): Range => ({ start: Math.min(a, b), end: Math.max(a, b) }));

/** The same for each byte by itself: the oracle. */
function covered(ranges: readonly Range[]): Set<number> {
  return new Set(ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, index) => start + index)));
}

test('in any order of ranges, gaps and duplicate bytes equal those of the oracle', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
      const coverage = new Coverage();
      const before: Range[] = [];
      for (const [index, each] of ranges.entries()) {
        const doubled = coverage.add(each, { topic: 't', partition: 0, offset: BigInt(index) });
        const expected = [...covered([each])].filter((byte) => covered(before).has(byte));
        assert.deepEqual([...covered(doubled)], expected);
        before.push(each);
      }
      const whole = { start: 0, end: SIZE };
      const missing = [...covered([whole])].filter((byte) => !covered(ranges).has(byte));
      const gaps = coverage.gaps(whole);
      assert.deepEqual([...covered(gaps)], missing);
      for (const { end, before: place } of gaps)
        assert.equal(
          place && ranges[Number(place.offset)]?.start,
          place && end,
          'a gap ends where the record after it begins',
        );
      const bytes = [...covered(ranges)];
      if (bytes.length > 0)
        assert.deepEqual([coverage.first, coverage.end], [Math.min(...bytes), Math.max(...bytes) + 1]);
    }),
    { numRuns: 500 },
  );
});

test('a million adjacent ranges take the memory of one', () => {
  const coverage = new Coverage();
  for (let at = 0; at < 1_000_000; at++) {
    assert.equal(
      coverage.add({ start: at * 10, end: at * 10 + 10 }, { topic: 't', partition: 0, offset: 0n }).length,
      0,
    );
  }
  assert.deepEqual(coverage.gaps({ start: 0, end: 10_000_000 }), []);
});
