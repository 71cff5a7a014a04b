import type { LineState } from './line-state.ts';

/**
 * Bytes `[start, end)` of a generation that are acknowledged or belong to no record.
 * - `rangeEnd`, `lineState`: as in AcknowledgedPosition, at `end`.
 * - `startState`: what `start` lies in the middle of, which the record before it must end in.
 *   undefined: unknown; a re-read derives it from the file as far as it can.
 */
export type CoveredRange = readonly [
  start: number,
  end: number,
  rangeEnd: number,
  lineState?: LineState | undefined,
  startState?: LineState | undefined,
];

/** The position up to which a generation is acknowledged without a gap. */
export interface AcknowledgedPosition {
  /** Every line before it is acknowledged. Bytes from the generation's start. */
  position: number;
  /** Where the last record before `position` ends; the next record's range begins here. */
  rangeEnd: number;
  /** What `position` lies in the middle of. undefined: unknown; derived from the file. */
  lineState: LineState | undefined;
}

/** All that is acknowledged of a generation. */
export interface AcknowledgedProgress extends AcknowledgedPosition {
  /** Ranges acknowledged beyond `position`, in order, with gaps between them. */
  ahead: readonly CoveredRange[];
}

/** The range that a segment covers once it is acknowledged. */
export function coveredRange(segment: {
  start: number;
  end: number;
  rangeEnd: number;
  lineState: LineState | undefined;
  startState: LineState | undefined;
}): CoveredRange {
  const { start, end, rangeEnd, lineState, startState } = segment;
  return [start, end, rangeEnd, lineState, startState];
}

/**
 * Parses `ahead` as the state database stores it: a JSON array of CoveredRange. Rows of state
 * schema 3 have no `rangeEnd`, those of schema 4 no `lineState`; later ones may lack `startState`.
 */
export function parseAhead(json: string): CoveredRange[] {
  const ranges = JSON.parse(json) as [number, number, number?, (LineState | null)?, (LineState | null)?][];
  return ranges.map(([start, end, rangeEnd = end, lineState, startState]) => [
    start,
    end,
    rangeEnd,
    lineState ?? undefined,
    startState ?? undefined,
  ]);
}
