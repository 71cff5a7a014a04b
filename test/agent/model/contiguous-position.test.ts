import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContiguousPosition, gapsIn } from '../../../agent/model/contiguous-position.ts';
import { type LineState, lineStates, recordEndBefore } from '../../../agent/model/line-state.ts';
import type { AcknowledgedPosition, AcknowledgedProgress } from '../../../agent/model/position.ts';

const placeOf = (position: number) => (position % Object.keys(lineStates).length) as LineState;

/** Each range ends in the state in which the next one starts. */
function assertGaps(reached: AcknowledgedProgress): void {
  const { gaps, last } = gapsIn(reached.ahead, reached);
  let from: AcknowledgedPosition = reached;
  for (const [index, [end, position, rangeEnd, lineState, startState]] of reached.ahead.entries()) {
    const { position: start, rangeEnd: rangeStart, lineState: startsIn } = from;
    const wanted = { start, end, rangeStart, startState: startsIn, endState: recordEndBefore(startState as LineState) };
    assert.deepEqual(gaps[index], wanted);
    assert.equal(startState, placeOf(end));
    from = { position, rangeEnd, lineState };
  }
  const { position, rangeEnd, lineState } = from;
  assert.deepEqual(last, from === reached ? reached : { position, rangeEnd, lineState });
}

test('for any order of ranges, the position is the end of the gapless prefix, and each gap ends in the state of the next range', () => {
  const ranges = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 }).map((lengths) => {
    const starts = lengths.map((_, index) => lengths.slice(0, index).reduce((sum, length) => sum + length, 100));
    // Some have no record: the last record ends where it did before them.
    let rangeEnd = 100;
    return lengths.map((length, index) => {
      const start = starts[index] as number;
      if (length % 3 > 0) rangeEnd = start + length - (length % 3 === 2 ? 1 : 0);
      return { start, length, rangeEnd };
    });
  });
  const shuffled = ranges.chain((all) => fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }));
  fc.assert(
    fc.property(shuffled, (order) => {
      const position = new ContiguousPosition({ position: 100, rangeEnd: 100, lineState: lineStates.line, ahead: [] });
      const covered = new Set<number>();
      for (const { start, length, rangeEnd } of order) {
        position.add([start, start + length, rangeEnd, placeOf(start + length), placeOf(start)]);
        for (let byte = start; byte < start + length; byte++) covered.add(byte);
        let expected = 100;
        while (covered.has(expected)) expected++;
        assert.equal(position.value, expected);
        const last = order.find((range) => range.start + range.length === expected);
        const { rangeEnd: reached, lineState } = position.progress;
        assert.deepEqual([reached, lineState], last ? [last.rangeEnd, placeOf(expected)] : [100, lineStates.line]);
        assert.deepEqual(new ContiguousPosition(position.progress).progress, position.progress);
        assertGaps(position.progress);
      }
    }),
  );
});

test('after a range without records, the last record is the one before it, whatever it was at the read', () => {
  const position = new ContiguousPosition({ position: 0, rangeEnd: 0, lineState: lineStates.lineStart, ahead: [] });
  position.add([20, 30, 5]);
  position.add([0, 20, 15]);
  assert.deepEqual([position.value, position.progress.rangeEnd], [30, 15]);
});
