import type { IntentSegment } from '../state/intent-store.ts';

/** A range of a generation that was read once and must be read again. */
export interface ReturnedRange extends Pick<IntentSegment, 'start' | 'end'> {
  /** undefined: not known, the file tells. */
  endsInsideLine: boolean | undefined;
}

/** What a source has to read again, in the order of its positions. */
export class ReturnedRanges {
  #ranges: ReturnedRange[] = [];

  /** The one to be read next; undefined when there is none. */
  get first(): ReturnedRange | undefined {
    return this.#ranges[0];
  }

  add({ start, end, endsInsideLine }: ReturnedRange): void {
    this.#ranges.push({ start, end, endsInsideLine });
    this.#ranges.sort((a, b) => a.start - b.start);
  }

  /** `range` was read again up to `end`. Others may have come before it meanwhile. */
  took(range: ReturnedRange, end: number): void {
    range.start = end;
    if (range.start >= range.end) this.#ranges = this.#ranges.filter((other) => other !== range);
  }
}
