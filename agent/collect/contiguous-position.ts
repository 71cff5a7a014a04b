import type { CoveredRange } from '../state/checkpoint-store.ts';

/**
 * A position that only ever advances over what is there without a gap: ranges may be told in any order, as when two
 * topics or two batches are acknowledged side by side.
 */
export class ContiguousPosition {
  #value: number;
  #rangeEnd: number;
  /** In order, apart from each other and from `#value`. */
  #ahead: readonly CoveredRange[] = [];

  constructor(value: number, ahead: readonly CoveredRange[] = [], rangeEnd = value) {
    [this.#value, this.#rangeEnd] = [value, rangeEnd];
    for (const [start, end, own] of ahead) this.cover(start, end, own);
  }

  get value(): number {
    return this.#value;
  }

  /** Where the last record before `value` ends: the range of the next one begins there. */
  get rangeEnd(): number {
    return this.#rangeEnd;
  }

  /** What is there beyond the first gap, in order. */
  get ahead(): readonly CoveredRange[] {
    return this.#ahead;
  }

  /** Tells that `[start, end)` is there, and that the last record up to `end` ends at `rangeEnd`. */
  cover(start: number, end: number, rangeEnd = end): void {
    if (start > this.#value) {
      this.#ahead = merged([...this.#ahead, [start, end, rangeEnd]]);
      return;
    }
    this.#reach(end, rangeEnd);
    while (this.#ahead[0] && this.#ahead[0][0] <= this.#value) {
      this.#reach(this.#ahead[0][1], this.#ahead[0][2]);
      this.#ahead = this.#ahead.slice(1);
    }
  }

  #reach(end: number, rangeEnd: number): void {
    if (end > this.#value) [this.#value, this.#rangeEnd] = [end, rangeEnd];
  }
}

/** Bytes that are not there, and where the range of their first record begins. */
interface Gap {
  start: number;
  end: number;
  rangeStart: number;
}

/** The gaps that `ranges`, in whatever order, leave behind `from`, and where the last of them ends, and its last record. */
export function gapsIn(
  ranges: readonly CoveredRange[],
  from: Pick<ContiguousPosition, 'value' | 'rangeEnd'>,
): { gaps: Gap[]; end: number; rangeEnd: number } {
  const gaps: Gap[] = [];
  let { value: end, rangeEnd } = from;
  for (const [start, to, own] of merged(ranges)) {
    if (start > end) gaps.push({ start: end, end: start, rangeStart: rangeEnd });
    if (to > end) [end, rangeEnd] = [to, own];
  }
  return { gaps, end, rangeEnd };
}

function merged(ranges: readonly CoveredRange[]): CoveredRange[] {
  const result: [number, number, number][] = [];
  for (const [start, end, rangeEnd] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (!last || start > last[1]) result.push([start, end, rangeEnd]);
    else if (end > last[1]) [last[1], last[2]] = [end, rangeEnd];
  }
  return result;
}
