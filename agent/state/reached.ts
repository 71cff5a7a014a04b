import type { Place } from '../deliver/line-place.ts';
import type { IntentSegment } from './intent-store.ts';

/** Bytes `[start, end)` of a generation that Kafka has, or that are in no record; the rest as at `end` in `Reached`. */
export type CoveredRange = readonly [start: number, end: number, rangeEnd: number, place?: Place | undefined];

/** Where Kafka has a generation without a gap. */
export interface ReachedTo {
  /** Kafka has every line before it. */
  position: number;
  /** Where the last record before `position` ends, and the range of the next one begins. */
  rangeEnd: number;
  /** What `position` is in the middle of; undefined: only the file tells, as far as it can. */
  place: Place | undefined;
}

/** How far Kafka has a generation. */
export interface Reached extends ReachedTo {
  /** What Kafka has beyond `position`, in order. */
  ahead: readonly CoveredRange[];
}

export function coveredBy({ start, end, rangeEnd, place }: IntentSegment): CoveredRange {
  return [start, end, rangeEnd, place];
}

/** Format 3 had no end of the last record, format 4 no place. */
export function aheadFrom(json: string): CoveredRange[] {
  const ranges = JSON.parse(json) as [number, number, number?, (Place | null)?][];
  return ranges.map(([start, end, rangeEnd = end, place]) => [start, end, rangeEnd, place ?? undefined]);
}
