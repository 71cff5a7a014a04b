import type { Place } from './line-state.ts';

/**
 * Bytes `[start, end)` of a generation that Kafka has, or that are in no record; `rangeEnd` and `place` as at `end` in `Reached`. `startsAt`: what
 * `start` is in the middle of, and what lies before it must end in; undefined: only the file tells, as far as it can.
 */
export type CoveredRange = readonly [
  start: number,
  end: number,
  rangeEnd: number,
  place?: Place | undefined,
  startsAt?: Place | undefined,
];

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

export function coveredBy(segment: {
  start: number;
  end: number;
  rangeEnd: number;
  place: Place | undefined;
  startsAt: Place | undefined;
}): CoveredRange {
  const { start, end, rangeEnd, place, startsAt } = segment;
  return [start, end, rangeEnd, place, startsAt];
}

/** Format 3 had no end of the last record, format 4 no place; what was written before `startsAt` was kept does not have it. */
export function aheadFrom(json: string): CoveredRange[] {
  const ranges = JSON.parse(json) as [number, number, number?, (Place | null)?, (Place | null)?][];
  return ranges.map(([start, end, rangeEnd = end, place, startsAt]) => [
    start,
    end,
    rangeEnd,
    place ?? undefined,
    startsAt ?? undefined,
  ]);
}
