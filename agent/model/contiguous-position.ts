import { endBefore } from './line-state.ts';
import type { CoveredRange, Reached, ReachedTo } from './position.ts';
import type { ReturnedRange } from './segment.ts';

/**
 * A position that only ever advances over what is there without a gap: ranges may be told in any order, as when two
 * topics or two batches are acknowledged side by side.
 */
export class ContiguousPosition {
  #at: ReachedTo;
  /** In order, apart from each other and from the position. */
  #ahead: readonly CoveredRange[] = [];

  constructor({ position, rangeEnd, place, ahead }: Reached) {
    this.#at = { position, rangeEnd, place };
    for (const range of ahead) this.cover(range);
  }

  get value(): number {
    return this.#at.position;
  }

  get reached(): Reached {
    return { ...this.#at, ahead: this.#ahead };
  }

  /** Tells that a range is there. */
  cover(range: CoveredRange): void {
    if (range[0] > this.value) {
      this.#ahead = merged([...this.#ahead, range]);
      return;
    }
    this.#reach(range);
    while (this.#ahead[0] && this.#ahead[0][0] <= this.value) {
      this.#reach(this.#ahead[0]);
      this.#ahead = this.#ahead.slice(1);
    }
  }

  #reach(range: CoveredRange): void {
    const [, position, , place] = range;
    if (position > this.value) this.#at = { position, rangeEnd: lastRecordEnd(range, this.#at.rangeEnd), place };
  }
}

/** Where the last record up to the end of `range` ends; `before` it, when it has none: what is there may have been read again since. */
function lastRecordEnd([start, , rangeEnd]: CoveredRange, before: number): number {
  return rangeEnd > start ? rangeEnd : before;
}

/** Bytes that are not there, where the range of their first record begins, and what their two ends are in the middle of. */
type Gap = Pick<ReturnedRange, 'start' | 'end' | 'rangeStart' | 'startsAt' | 'endsAt'>;

/** The gaps that `ranges`, in whatever order, leave behind `from`; and what is reached where the last of them ends. */
export function gapsIn(ranges: readonly CoveredRange[], from: ReachedTo): { gaps: Gap[]; last: ReachedTo } {
  const gaps: Gap[] = [];
  let last = from;
  for (const [end, position, rangeEnd, place, startsAt] of merged(ranges)) {
    if (end > last.position) {
      const { position: start, rangeEnd: rangeStart, place: startsIn } = last;
      gaps.push({ start, end, rangeStart, startsAt: startsIn, endsAt: startsAt && endBefore(startsAt) });
    }
    if (position > last.position) last = { position, rangeEnd, place };
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
