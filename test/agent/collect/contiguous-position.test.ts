import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContiguousPosition } from '../../../agent/collect/contiguous-position.ts';
import { type Place, places } from '../../../agent/deliver/line-place.ts';

const placeOf = (position: number) => (position % 6) as Place;

test('in whatever order ranges are told, the position is the end of the prefix without a gap, and the last record before it is known', () => {
  const ranges = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 }).map((lengths) => {
    const starts = lengths.map((_, index) => lengths.slice(0, index).reduce((sum, length) => sum + length, 100));
    // Some have no record: the last one ends where it did before them.
    let rangeEnd = 100;
    return lengths.map((length, index) => {
      const start = starts[index] as number;
      if (length % 3 > 0) rangeEnd = start + length - (length % 3 === 2 ? 1 : 0);
      return { start, length, rangeEnd };
    });
  });
  const shuffled = ranges.chain((all) => fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }));
  fc.assert(
    fc.property(shuffled, (told) => {
      const position = new ContiguousPosition({ position: 100, rangeEnd: 100, place: places.line, ahead: [] });
      const covered = new Set<number>();
      for (const { start, length, rangeEnd } of told) {
        position.cover([start, start + length, rangeEnd, placeOf(start + length)]);
        for (let byte = start; byte < start + length; byte++) covered.add(byte);
        let expected = 100;
        while (covered.has(expected)) expected++;
        assert.equal(position.value, expected);
        const last = told.find((range) => range.start + range.length === expected);
        const { rangeEnd: reached, place } = position.reached;
        assert.deepEqual([reached, place], last ? [last.rangeEnd, placeOf(expected)] : [100, places.line]);
        assert.deepEqual(new ContiguousPosition(position.reached).reached, position.reached);
      }
    }),
  );
});
