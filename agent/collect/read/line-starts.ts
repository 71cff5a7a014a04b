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
const NO_MARK = Buffer.alloc(MARK_BYTES);
const LOOK_BACK_BYTES = 64 * 1024;
/** A line is cut between two characters, up to this many bytes before the limit. */
const CUT_BACK_BYTES = 3;

/**
 * The file's charset, by its byte order mark if the entry says so. Not certain while the file is
 * shorter than a mark.
 */
export async function charsetOfFile(fd: number, given: Charset): Promise<{ charset: Charset; certain: boolean }> {
  if (!given.isFromMark) return { charset: given, certain: true };
  const { bytesRead, buffer } = await readAt(fd, Buffer.alloc(MARK_BYTES), 0, MARK_BYTES, 0);
  // NULs are a hole, or a mark that is not written yet.
  const certain = bytesRead === MARK_BYTES && !buffer.equals(NO_MARK);
  return { charset: charsetFromMark(given, buffer), certain };
}

/**
 * What `position` lies in the middle of. `stored`: what is known of it; undefined or `lost`: the
 * file shows it.
 */
export async function lineStateFrom(
  stored: LineState | undefined,
  fd: number,
  position: number,
  format: LineFormat,
): Promise<LineState> {
  if (stored === undefined) return lineStateAt(fd, position, format);
  if (stored !== lineStates.lost) return stored;
  return (await isLineStart(fd, position, format.charset)) ? lineStates.lineStart : stored;
}

/**
 * Derives from the file what `position` lies in the middle of, when it is not stored. If the line
 * begins farther back than a line may be long, the rest of an over-long line is skipped there. Else
 * the file once ended at `position`, and the line's beginning was sent, or excluded by the filter.
 */
async function lineStateAt(fd: number, position: number, format: LineFormat): Promise<LineState> {
  if (await isLineStart(fd, position, format.charset)) return lineStates.lineStart;
  const lineState = await stateInLine(fd, position, format);
  // A line that `drop` dropped is a loss. The filter never judged it.
  if (!format.filter || (lineState === lineStates.skipped && format.overLong === 'drop')) return lineState;
  return (await isLineStartKept(fd, position, format, format.filter)) ? lineState : lineStates.filtered;
}

async function stateInLine(fd: number, position: number, format: LineFormat): Promise<LineState> {
  const { charset, overLong, maxLineBytes } = format;
  if (overLong === 'split') return lineStates.line;
  const start = await lineStartWithin(fd, position, maxLineBytes, charset);
  return start !== undefined && position - start < maxLineBytes - CUT_BACK_BYTES ? lineStates.line : lineStates.skipped;
}

/** Whether the filter keeps the line at `position`. It judges a line by its first part. */
async function isLineStartKept(
  fd: number,
  position: number,
  { charset, maxLineBytes }: LineFormat,
  filter: LineFilter,
): Promise<boolean> {
  let start: number | undefined;
  // A line may have any length, so it is searched in steps of bounded memory.
  for (let end = position; start === undefined; end -= LOOK_BACK_BYTES)
    start = await lineStartWithin(fd, end, LOOK_BACK_BYTES + charset.terminator.length, charset);
  const length = Math.min(position - start, maxLineBytes + charset.byteOrderMark.length);
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

/**
 * The last line start at or before `position`, within 64 KiB; if there is none, `position` rounded
 * down to a whole code unit.
 */
export async function lineStartBefore(fd: number, position: number, given = charsetFor({})): Promise<number> {
  const { charset } = await charsetOfFile(fd, given);
  const start = await lineStartWithin(fd, position, LOOK_BACK_BYTES, charset);
  return start ?? position - (position % charset.unit);
}

/**
 * Where the line at `position` begins; undefined if that is farther back than a line may be long.
 */
export async function lineStartAt(fd: number, position: number, format: SharedFormat): Promise<number | undefined> {
  const { charset } = await charsetOfFile(fd, format.charset);
  if (await isLineStart(fd, position, charset)) return position;
  const { terminator, byteOrderMark: mark } = charset;
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
    // Bytes that look like a terminator are none if they are not aligned to code units.
    if (findLineEnd(charset, read, at, from) === at) return from + at + charset.terminator.length;
  }
  return from === 0 ? 0 : undefined;
}
