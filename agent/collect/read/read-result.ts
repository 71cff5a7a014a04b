import { lineStates } from '../../model/line-state.ts';
import type { Range, ReadSegment } from './read-range.ts';
import type { UnwrittenTail } from './unwritten-bytes.ts';

/** What one read yielded. */
export interface ReadResult {
  /** If it has no lines, there is nothing to send, and its bytes are finished. */
  segment: ReadSegment | undefined;
  more: boolean;
  full: boolean;
  /** The file is written at least so far. */
  seen: number;
  /**
   * Lines wait for more lines of their multiline record, or for bytes before them that may still be
   * written: read again after this time.
   */
  againInMs: number | undefined;
  /** The file's end, as far as it is preallocated. */
  tail?: UnwrittenTail | undefined;
}

/** Nothing to send, but there is more to read, at once or in `waitMs`. */
export function nothingRead(seen: number, waitMs = 0): ReadResult {
  return { segment: undefined, more: waitMs === 0, full: false, seen, againInMs: waitMs || undefined };
}

/** The segment of a hole up to `end`. It has no lines. */
export function holeSegment({ start, rangeStart, startState }: Range, end: number, document: string): ReadSegment {
  const { lineStart } = lineStates;
  const reached = { end, endState: lineStart, rangeEnd: rangeStart, lineState: lineStart };
  const kept = { cut: undefined, holeBytes: end - start, checksum: 0, format: document };
  return { start, lines: 0, rangeStart, startState, ...reached, ...kept };
}
