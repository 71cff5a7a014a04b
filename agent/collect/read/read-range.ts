import type { Encoded } from '../../encode/line-encoder.ts';
import { type FormatPlace, type LineFormat, lineFormat, sharedFormat } from '../../encode/line-format.ts';
import type { Place } from '../../model/line-state.ts';
import type { IntentSegment, ReturnedRange } from '../../model/segment.ts';
import { charsetOfFile, placeAt } from './line-starts.ts';

/** A segment as its reader knows it. */
export type ReadSegment = Omit<IntentSegment, 'generation'>;

/** A range to be read, with all that is in the file but not in its bytes. */
export type Range = Omit<ReturnedRange, 'format'> & { startsAt: Place; endsAt: Place };

export function segmentOf(
  from: Range,
  { consumed, records, filtered, endsAt, rangeEnd, place, lastAt, cut }: Encoded,
  kept: { checksum: number; format: string },
): ReadSegment | undefined {
  if (consumed === 0) return undefined;
  const { start, rangeStart, startsAt } = from;
  return {
    start,
    end: start + consumed,
    lines: records,
    rangeStart,
    startsAt,
    endsAt,
    rangeEnd,
    place,
    lastAt,
    cut,
    filtered,
    ...kept,
  };
}

export async function placed(fd: number, range: ReturnedRange, format: LineFormat): Promise<Range> {
  const startsAt = range.startsAt ?? (await placeAt(fd, range.start, format));
  const endsAt = range.endsAt ?? (await placeAt(fd, range.end, format));
  return { ...range, startsAt, endsAt };
}

/** The format of `document`, by which lines of a file were read before: the same bytes have the same records again, though the entry is another now. */
export async function formatBefore(fd: number, document: string, at: FormatPlace): Promise<LineFormat> {
  const format = lineFormat(sharedFormat(JSON.parse(document)), at);
  const { charset } = await charsetOfFile(fd, format.charset);
  return { ...format, charset };
}
