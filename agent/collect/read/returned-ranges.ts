import type { ReturnedRange } from '../../model/segment.ts';

/** What a source has to read again, in the order of its positions. */
export class ReturnedRanges {
  #ranges: ReturnedRange[] = [];

  /** The one to be read next; undefined when there is none. */
  get first(): ReturnedRange | undefined {
    return this.#ranges[0];
  }

  add({ start, end, rangeStart, startState, endState, format }: ReturnedRange): void {
    this.#ranges.push({ start, end, rangeStart, startState, endState, format });
    this.#ranges.sort((a, b) => a.start - b.start);
  }

  /** `range` was read again up to `rest`. Others may have come before it meanwhile. */
  consumed(range: ReturnedRange, rest: Pick<ReturnedRange, 'start' | 'rangeStart' | 'startState'>): void {
    Object.assign(range, rest);
    if (range.start < range.end) return;
    this.#ranges = this.#ranges.filter((other) => other !== range);
    for (const other of this.#ranges)
      if (other.start >= range.end) other.rangeStart = rangeAfter(range, other.rangeStart);
  }
}

/**
 * Where the range of the next record begins behind `read`, all of which was read again; `rangeStart` was said before. The last record may
 * be another by now: the topic takes no longer lines, which the filter does not judge by a part, or the entry has changed.
 */
export function rangeAfter({ end, rangeStart: reached }: ReturnedRange, rangeStart: number): number {
  return rangeStart <= end ? reached : rangeStart;
}
