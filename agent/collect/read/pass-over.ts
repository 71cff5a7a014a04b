import { type Charset, completeBytes, findLineEnd } from '../../encode/charset.ts';
import { CHUNK_BYTES_MAX } from '../../encode/work-pool.ts';
import { isPassedOver, type LineState, lineStates } from '../../model/line-state.ts';
import { readAt } from '../files/file-io.ts';
import type { Range } from './read-range.ts';

/** Of a line that is not wanted, in one turn. */
const SKIP_BYTES_MAX = 64 * 1024 * 1024;

/** How far a line that is not wanted was passed over. */
export interface PassedOver {
  end: number;
  /** What `end` is in the middle of. */
  lineState: LineState;
  /** The file had no more. */
  atEnd: boolean;
  /** The file reaches so far, at least. */
  seen: number;
}

/** Passes over the rest of a line that is not wanted, and keeps none of it. A rate limit does not hold for it: nothing is sent, and each turn is told as a loss. */
export async function passOver(
  from: Range,
  charset: Charset,
  chunk: Buffer,
  { fd, size, sealed }: { fd: number; size: number; sealed: boolean },
): Promise<PassedOver> {
  let { start: end, startState: lineState } = from;
  let atEnd = false;
  let seen = end;
  const stop = Math.min(from.end, from.start + SKIP_BYTES_MAX);
  while (isPassedOver(lineState) && !atEnd && end < stop) {
    const want = Math.min(CHUNK_BYTES_MAX, from.end - end);
    const { bytesRead } = await readAt(fd, chunk, 0, want, end);
    seen = end + bytesRead;
    atEnd = bytesRead < want;
    const bytes = chunk.subarray(0, bytesRead);
    const found = findLineEnd(charset, bytes, 0, end);
    if (found !== -1) [end, lineState] = [end + found + charset.terminator.length, lineStates.lineStart];
    else if (seen === from.end || (sealed && atEnd && seen >= size)) end = seen;
    else end += completeBytes(charset, bytes, end);
  }
  return { end, lineState, atEnd, seen };
}
