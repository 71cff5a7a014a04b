import {
  type Charset,
  characterEnd,
  charsetFor,
  charsetFromMark,
  findLineEnd,
  markBytes,
} from '../../encode/charset.ts';
import type { LineFilter } from '../../encode/line-filter.ts';
import type { LineFormat, SharedFormat } from '../../encode/line-format.ts';
import { type LineState, lineStates } from '../../model/line-state.ts';
import { readAt } from '../files/file-io.ts';

const MARK_BYTES = 2;
const LOOK_BACK_BYTES = 64 * 1024;
/** A cut may lie so many bytes before the limit, between two characters. */
const CUT_BACK_BYTES = 3;

/** How the bytes of this file are to be taken; not certain while the file has no room for a mark. */
export async function charsetOfFile(fd: number, given: Charset): Promise<{ charset: Charset; certain: boolean }> {
  if (!given.isFromMark) return { charset: given, certain: true };
  const { bytesRead, buffer } = await readAt(fd, Buffer.alloc(MARK_BYTES), 0, MARK_BYTES, 0);
  return { charset: charsetFromMark(given, buffer), certain: bytesRead === MARK_BYTES };
}

/**
 * What `position` of a file is in the middle of, when nobody remembers. Inside a line longer than allowed, whose rest is not wanted, when the
 * line begins as far back as that; else the line's beginning has gone because the file ended there once. The filter may not have kept it.
 */
export async function lineStateAt(fd: number, position: number, format: LineFormat): Promise<LineState> {
  if (await isLineStart(fd, position, format.charset)) return lineStates.lineStart;
  const lineState = await placeInLine(fd, position, format);
  // What is too long for `drop` is a loss, and nobody has judged it.
  if (!format.filter || (lineState === lineStates.skipped && format.overLong === 'drop')) return lineState;
  return (await isBeginningKept(fd, position, format, format.filter)) ? lineState : lineStates.filtered;
}

async function placeInLine(fd: number, position: number, format: LineFormat): Promise<LineState> {
  const { charset, overLong, maxLineBytes } = format;
  if (overLong === 'split') return lineStates.line;
  const start = await lineStartWithin(fd, position, maxLineBytes, charset);
  return start !== undefined && position - start < maxLineBytes - CUT_BACK_BYTES ? lineStates.line : lineStates.skipped;
}

/** Whether the filter keeps the first part of the line that `position` is in, by which it has judged all of it. */
async function isBeginningKept(
  fd: number,
  position: number,
  { charset, maxLineBytes }: LineFormat,
  filter: LineFilter,
): Promise<boolean> {
  let start: number | undefined;
  // A line has no end to its length: what is held of it has.
  for (let end = position; start === undefined; end -= LOOK_BACK_BYTES)
    start = await lineStartWithin(fd, end, LOOK_BACK_BYTES + charset.terminator.length, charset);
  const length = Math.min(position - start, maxLineBytes + charset.mark.length);
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(length), 0, length, start);
  const bytes = buffer.subarray(0, bytesRead);
  const from = markBytes(charset, bytes, start);
  const end = bytesRead - from < maxLineBytes ? bytesRead : characterEnd(charset, bytes, from, from + maxLineBytes);
  const text = charset.decoder
    ? Buffer.from(charset.decoder.decode(bytes.subarray(from, end)))
    : bytes.subarray(from, end);
  filter.begin(text);
  return filter.keeps(0, text.length);
}

/** The last line start at or before `position`, looking back 64 KiB; `position` itself, in whole units, when there is none. */
export async function lineStartBefore(fd: number, position: number, given = charsetFor({})): Promise<number> {
  const { charset } = await charsetOfFile(fd, given);
  const start = await lineStartWithin(fd, position, LOOK_BACK_BYTES, charset);
  return start ?? position - (position % charset.unit);
}

/** Where the line begins that `position` is in, or `position` itself; undefined when that is farther back than a line may be long. */
export async function lineStartAt(fd: number, position: number, format: SharedFormat): Promise<number | undefined> {
  const { charset } = await charsetOfFile(fd, format.charset);
  if (await isLineStart(fd, position, charset)) return position;
  const { terminator, mark } = charset;
  return lineStartWithin(fd, position, format.maxLineBytes + terminator.length + mark.length, charset);
}

async function isLineStart(fd: number, position: number, { terminator, unit }: Charset): Promise<boolean> {
  if (position === 0) return true;
  const { length } = terminator;
  if (position < length || position % unit !== 0) return false;
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(length), 0, length, position - length);
  return bytesRead === length && buffer.equals(terminator);
}

async function lineStartWithin(
  fd: number,
  position: number,
  bytes: number,
  charset: Charset,
): Promise<number | undefined> {
  const length = Math.min(position, bytes);
  const from = position - length;
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(length), 0, length, from);
  const read = buffer.subarray(0, bytesRead);
  for (
    let at = read.lastIndexOf(charset.terminator);
    at !== -1;
    at = at > 0 ? read.lastIndexOf(charset.terminator, at - 1) : -1
  ) {
    // The bytes of a terminator are not one when they are not whole units.
    if (findLineEnd(charset, read, at, from) === at) return from + at + charset.terminator.length;
  }
  return from === 0 ? 0 : undefined;
}
