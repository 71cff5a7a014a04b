import assert from 'node:assert/strict';
import { recordEndBefore } from './line-state.ts';
import type { AcknowledgedPosition, AcknowledgedProgress, CoveredRange } from './position.ts';
import type { ReturnedRange } from './segment.ts';

/**
 * The position up to which a generation is acknowledged without a gap. Ranges may arrive in any
 * order, for example when two batches are acknowledged out of order.
 */
export class ContiguousPosition {
  #at: AcknowledgedPosition;
  /** Sorted. Neither adjacent to each other nor to the position. */
  #ahead: readonly CoveredRange[] = [];

  constructor({ position, rangeEnd, lineState, ahead }: AcknowledgedProgress) {
    this.#at = { position, rangeEnd, lineState };
    for (const range of ahead) this.add(range);
  }

  get value(): number {
    return this.#at.position;
  }

  get progress(): AcknowledgedProgress {
    return { ...this.#at, ahead: this.#ahead };
  }

  /** Adds an acknowledged range. */
  add(range: CoveredRange): void {
    assert(range[0] <= range[1], 'a range ends before it starts');
    if (range[0] > this.value) {
      this.#ahead = merged([...this.#ahead, range]);
      return;
    }
    this.#advance(range);
    while (this.#ahead[0] && this.#ahead[0][0] <= this.value) {
      this.#advance(this.#ahead[0]);
      this.#ahead = this.#ahead.slice(1);
    }
  }

  #advance(range: CoveredRange): void {
    const [, position, , lineState] = range;
    if (position > this.value) this.#at = { position, rangeEnd: lastRecordEnd(range, this.#at.rangeEnd), lineState };
  }
}

/**
 * Where the last record up to the end of `range` ends: in `range`, or at `before` if `range` has no
 * record.
 */
function lastRecordEnd([start, , rangeEnd]: CoveredRange, before: number): number {
  return rangeEnd > start ? rangeEnd : before;
}

/**
 * Bytes that are not acknowledged, with what is needed to read them again into the same records.
 */
type Gap = Pick<ReturnedRange, 'start' | 'end' | 'rangeStart' | 'startState' | 'endState'>;

/** The gaps between `ranges` (in any order) after `from`, and the position after the last range. */
export function gapsIn(
  ranges: readonly CoveredRange[],
  from: AcknowledgedPosition,
): { gaps: Gap[]; last: AcknowledgedPosition } {
  const gaps: Gap[] = [];
  let last = from;
  for (const [end, position, rangeEnd, lineState, startState] of merged(ranges)) {
    if (end > last.position) {
      const { position: start, rangeEnd: rangeStart, lineState: startsIn } = last;
      gaps.push({ start, end, rangeStart, startState: startsIn, endState: startState && recordEndBefore(startState) });
    }
    if (position > last.position) last = { position, rangeEnd, lineState };
  }
  return { gaps, last };
}

function merged(ranges: readonly CoveredRange[]): CoveredRange[] {
  const result: CoveredRange[] = [];
  for (const range of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (!last || range[0] > last[1]) result.push(range);
    else if (range[1] > last[1])
      result[result.length - 1] = [last[0], range[1], lastRecordEnd(range, last[2]), range[3], last[4]];
  }
  return result;
}
