import type { ReturnedRange } from '../../model/segment.ts';

/** The ranges that a source must read again, sorted by position. */
export class ReturnedRanges {
  #ranges: ReturnedRange[] = [];

  /** The range to read next, if any. */
  get first(): ReturnedRange | undefined {
    return this.#ranges[0];
  }

  /** The range that ends furthest. */
  get last(): ReturnedRange | undefined {
    return this.#ranges.at(-1);
  }

  remove(range: ReturnedRange): void {
    this.#ranges = this.#ranges.filter((other) => other !== range);
  }

  add({ start, end, rangeStart, startState, endState, format }: ReturnedRange): void {
    this.#ranges.push({ start, end, rangeStart, startState, endState, format });
    this.#ranges.sort((a, b) => a.start - b.start);
  }

  /**
   * Notes that `range` was read up to where `rest` begins. Others may have been added before it
   * meanwhile.
   */
  consumed(range: ReturnedRange, rest: Pick<ReturnedRange, 'start' | 'rangeStart' | 'startState'>): void {
    Object.assign(range, rest);
    if (range.start < range.end) return;
    this.remove(range);
    for (const other of this.#ranges)
      if (other.start >= range.end) other.rangeStart = rangeAfter(range, other.rangeStart);
  }
}

/**
 * Where the next record's range begins after a range that was read again completely; `rangeStart`
 * is where it began before. It may differ: the topic's record limit was lowered, so that lines are
 * split which the filter judged as a whole, or the entry has changed.
 */
export function rangeAfter({ end, rangeStart: newStart }: ReturnedRange, rangeStart: number): number {
  return rangeStart <= end ? newStart : rangeStart;
}
