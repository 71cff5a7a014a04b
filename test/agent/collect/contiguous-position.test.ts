import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContiguousPosition } from '../../../agent/collect/contiguous-position.ts';

test('in whatever order ranges are told, the position is the end of the prefix without a gap', () => {
  const ranges = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 }).map((lengths) => {
    const starts = lengths.map((_, index) => lengths.slice(0, index).reduce((sum, length) => sum + length, 100));
    return lengths.map((length, index) => ({ start: starts[index] as number, length }));
  });
  const shuffled = ranges.chain((all) => fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }));
  fc.assert(
    fc.property(shuffled, (told) => {
      const position = new ContiguousPosition(100);
      const covered = new Set<number>();
      for (const { start, length } of told) {
        position.cover(start, start + length);
        for (let byte = start; byte < start + length; byte++) covered.add(byte);
        let expected = 100;
        while (covered.has(expected)) expected++;
        assert.equal(position.value, expected);
      }
    }),
  );
});
