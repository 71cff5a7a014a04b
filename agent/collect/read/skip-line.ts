import { type Charset, completeBytes, findLineEnd } from '../../encode/charset.ts';
import { trailingHoleBytes } from '../../encode/hole.ts';
import { CHUNK_BYTES_MAX } from '../../encode/work-pool.ts';
import { isPassedOver, type LineState, lineStates } from '../../model/line-state.ts';
import { readAt } from '../files/file-io.ts';
import type { Range } from './read-range.ts';
import type { UnwrittenBytes, UnwrittenTail } from './unwritten-bytes.ts';

/** The most bytes skipped in one turn. */
const SKIP_BYTES_MAX = 64 * 1024 * 1024;

/** How far a line was skipped. */
export interface SkippedLine {
  end: number;
  /** What `end` lies in the middle of. */
  lineState: LineState;
  /** The end of the file was reached. */
  atEnd: boolean;
  /** The file is written at least so far. */
  seen: number;
  tail: UnwrittenTail | undefined;
}

/**
 * Skips the rest of a line, without keeping any of it. Rate limits do not apply: nothing is sent,
 * and each turn is recorded as a loss.
 */
export async function skipLine(
  from: Range,
  charset: Charset,
  chunk: Buffer,
  { fd, size, sealed }: { fd: number; size: number; sealed: boolean },
  unwritten: UnwrittenBytes,
): Promise<SkippedLine> {
  let { start: end, startState: lineState } = from;
  let atEnd = false;
  let seen = end;
  let tail: UnwrittenTail | undefined;
  const stop = Math.min(from.end, from.start + SKIP_BYTES_MAX);
  while (isPassedOver(lineState) && !atEnd && end < stop) {
    const want = Math.min(CHUNK_BYTES_MAX, from.end - end);
    const { bytesRead } = await readAt(fd, chunk, 0, want, end);
    seen = end + bytesRead;
    atEnd = bytesRead < want;
    const bytes = chunk.subarray(0, bytesRead);
    const found = findLineEnd(charset, bytes, 0, end);
    const nuls = found === -1 ? trailingHoleBytes(bytes, end, charset.unit) : 0;
    if (found !== -1) [end, lineState] = [end + found + charset.terminator.length, lineStates.lineStart];
    else if (seen === from.end) end = seen;
    else if (nuls > 0) {
      end = seen - nuls;
      if (!unwritten.isCurrent(end, size)) await unwritten.search({ fd, size }, chunk, end, from.end);
      const isWritten = unwritten.knownAt(end) === 'written';
      tail = unwritten.tailAt(end);
      if (isWritten) end = Math.min(stop, unwritten.end - (unwritten.end % charset.unit));
      seen = end;
      if (!isWritten) break;
    } else if (sealed && atEnd && seen >= size) end = seen;
    else end += completeBytes(charset, bytes, end);
  }
  return { end, lineState, atEnd: atEnd || tail !== undefined, seen, tail };
}
