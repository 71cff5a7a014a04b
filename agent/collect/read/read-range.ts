import type { EncodeResult } from '../../encode/line-encoder.ts';
import { type FormatTarget, type LineFormat, lineFormat, sharedFormat } from '../../encode/line-format.ts';
import type { LineState } from '../../model/line-state.ts';
import type { IntentSegment, ReturnedRange } from '../../model/segment.ts';
import { charsetOfFile, lineStateFrom } from './line-starts.ts';

/** A segment as its reader creates it. */
export type ReadSegment = Omit<IntentSegment, 'generation'>;

/** A range to read, with what a reader must know beyond its bytes. */
export type Range = Omit<ReturnedRange, 'format'> & { startState: LineState; endState: LineState };

export function createSegment(
  from: Range,
  {
    consumed,
    recordCount,
    filteredCount,
    endState,
    rangeEnd,
    lineState,
    lastRecordStart,
    cut,
    holeBytes,
  }: EncodeResult,
  kept: { checksum: number; format: string },
): ReadSegment | undefined {
  if (consumed === 0) return undefined;
  const { start, rangeStart, startState } = from;
  return {
    start,
    end: start + consumed,
    lines: recordCount,
    rangeStart,
    startState,
    endState,
    rangeEnd,
    lineState,
    lastRecordStart,
    cut,
    filteredCount,
    ...(holeBytes > 0 && { holeBytes }),
    ...kept,
  };
}

export async function withLineStates(fd: number, range: ReturnedRange, format: LineFormat): Promise<Range> {
  const startState = await lineStateFrom(range.startState, fd, range.start, format);
  const endState = await lineStateFrom(range.endState, fd, range.end, format);
  return { ...range, startState, endState };
}

/**
 * The format in which lines were encoded before, from its `document`. The same bytes yield the same
 * records again, even if the entry has changed.
 */
export async function previousFormat(fd: number, document: string, at: FormatTarget): Promise<LineFormat> {
  const format = lineFormat(sharedFormat(JSON.parse(document)), at);
  const { charset } = await charsetOfFile(fd, format.charset);
  return { ...format, charset };
}
