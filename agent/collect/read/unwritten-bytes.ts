import type { Charset } from '../../encode/charset.ts';
import { firstNul, trailingHoleBytes } from '../../encode/hole.ts';
import { CHUNK_BYTES_MAX } from '../../encode/work-pool.ts';
import { fileSizeOf } from '../../model/found-file.ts';
import { lineStates } from '../../model/line-state.ts';
import { fstat, readAt } from '../files/file-io.ts';
import { endsUnwritten } from '../files/written-end.ts';
import type { Range } from './read-range.ts';

/** The most bytes that are searched in one turn. */
const SEARCH_BYTES_MAX = 64 * 1024 * 1024;
/** After this many NULs the search pauses between turns, so a sparse file of any size is cheap. */
const SEARCH_EAGER_BYTES = 1024 * SEARCH_BYTES_MAX;
const SEARCH_PAUSE_MS = 100;
/** How long NULs before written bytes must last until they count as a hole that stays. */
const FILL_MS = 5_000;

const zeros = Buffer.alloc(CHUNK_BYTES_MAX);

/** NULs up to the end of a file. */
export interface UnwrittenTail {
  from: number;
  to: number;
}

/**
 * What a search has found so far: `more`: it continues in another turn. `tail`: NULs up to the end
 * of the file. `written`: another byte at `to`.
 */
type Found = 'more' | 'tail' | 'written';

interface NulFile {
  fd: number;
  /** How far it is written, as far as that is known. */
  size: number;
  /** The file will not grow. */
  lastLineDue: boolean;
}

/** `length` bytes at the start of a range. */
interface Read extends Pick<Range, 'start' | 'end' | 'startState'> {
  length: number;
  unit: Charset['unit'];
  /** The range was read before. */
  isAgain: boolean;
}

/**
 * - encode: the first `length` bytes that were read. The rest is the unwritten `tail`, or may still
 *   be written for `fillMs`, or is NULs of which it `isUnknown` what follows them.
 * - pass: the bytes up to `end` are a hole.
 * - wait: the search for what follows the NULs from `from` on must continue in another turn.
 */
export type Plan =
  | { do: 'encode'; length: number; tail: UnwrittenTail | undefined; fillMs: number; isUnknown: boolean }
  | { do: 'pass'; end: number }
  | { do: 'wait'; from: number; waitMs: number };

/**
 * Finds out what follows the NULs at which a reader has arrived. NULs up to the end of the file are
 * not written yet: the file was preallocated, and is written through a memory map. Writes into it
 * change neither its size nor, for long, its ctime, so its reader must poll.
 */
export class UnwrittenBytes {
  #from = 0;
  /** All bytes from `#from` to here were NULs. */
  #to = 0;
  #found: Found = 'more';
  /** How far the file was said to be written at the last search. */
  #sizeThen = 0;
  /** A tail is searched again, a chunk at each poll: lines may be written into its middle. */
  #again = 0;
  /** NULs before it stay. */
  #settledTo = 0;
  #held = { at: -1, end: -1, sinceMs: 0 };

  /** What to do with what was read. Rejects with the system's error. */
  async plan(file: NulFile, chunk: Buffer, read: Read, nowMs: number): Promise<Plan> {
    const { start, length, end, unit, isAgain, startState } = read;
    const nuls = trailingHoleBytes(chunk.subarray(0, length), start, unit);
    const isBlank = nuls > 0 && nuls === length && startState !== lineStates.line;
    const from = start + length - nuls;
    const whole = { do: 'encode', tail: undefined, fillMs: 0, isUnknown: false } as const;
    if (isAgain && !(isBlank && start + length < end)) return { ...whole, length };
    if (nuls > 0 && !this.isCurrent(from, file.size)) {
      // The lines before the NULs need not wait for the search.
      const areWritten = !isBlank && this.#firstUnsettled(chunk.subarray(0, length - nuls), start, unit) === -1;
      if (areWritten) return { ...whole, length: length - nuls, isUnknown: true };
      const waitMs = await this.search(file, chunk, from, end);
      // The search has used the chunk.
      if (this.knownAt(from) === 'more' || !isBlank) return { do: 'wait', from, waitMs };
    }
    if (isBlank && this.knownAt(from) === 'written') return this.#pass(file, read, nowMs);
    const tail = nuls > 0 ? this.tailAt(from) : undefined;
    const written = tail ? length - nuls : length;
    const fills = !file.lastLineDue && this.tailAt(start + written) !== undefined;
    const first = fills ? this.#firstUnsettled(chunk.subarray(0, written), start, unit) : -1;
    const fillMs = first === -1 ? 0 : this.#fillMs(start + first, start + written, nowMs);
    return { ...whole, length: fillMs > 0 ? first : written, tail, fillMs };
  }

  /** Where the NULs that were searched last end. */
  get end(): number {
    return this.#to;
  }

  async #pass(file: NulFile, { start, unit, isAgain }: Read, nowMs: number): Promise<Plan> {
    const end = this.#to - (this.#to % unit);
    const fills = !isAgain && !file.lastLineDue && (await endsUnwritten(file.fd, fileSizeOf(await fstat(file.fd))));
    const fillMs = fills ? this.#fillMs(start, end, nowMs) : 0;
    if (fillMs === 0) return { do: 'pass', end };
    // Some of them may be written until the next turn.
    this.forget();
    return { do: 'encode', length: 0, tail: undefined, fillMs, isUnknown: false };
  }

  /** What follows NULs at `from`, as far as it is known. */
  knownAt(from: number): Found {
    return this.#from <= from && from < this.#to ? this.#found : 'more';
  }

  /** The unwritten end of the file of which `from` was a part when it was last searched. */
  tailAt(from: number): UnwrittenTail | undefined {
    return this.knownAt(from) === 'tail' ? { from, to: this.#to } : undefined;
  }

  /**
   * Whether it is known what follows NULs at `from`. `size`: how far the file is written, as far as
   * that is known. What was found at the same size stays found: the size may be an old one, of
   * before the file was cut, and must not lead to search after search.
   */
  isCurrent(from: number, size: number): boolean {
    const found = this.knownAt(from);
    return found === 'written' || (found === 'tail' && (size <= from || size === this.#sizeThen));
  }

  /**
   * Searches on, at most to `end`. A known tail is searched again. Returns how long to wait before
   * the next turn, ms. Rejects with the system's error.
   */
  async search({ fd, size }: Omit<NulFile, 'lastLineDue'>, chunk: Buffer, from: number, end: number): Promise<number> {
    if (this.#found === 'tail' || from < this.#from || from > this.#to) [this.#from, this.#to] = [from, from];
    this.#sizeThen = size;
    this.#found = 'more';
    const stop = Math.min(end, this.#to + SEARCH_BYTES_MAX);
    while (this.#to < stop) {
      const want = Math.min(CHUNK_BYTES_MAX, stop - this.#to);
      const { bytesRead } = await readAt(fd, chunk, 0, want, this.#to);
      const nuls = leadingNuls(chunk.subarray(0, bytesRead));
      this.#to += nuls;
      if (nuls < bytesRead || this.#to === end) this.#found = 'written';
      // A short read is not always the end: see SegmentReader.
      else if (bytesRead === 0) this.#found = 'tail';
      if (this.#found !== 'more') break;
    }
    this.#again = this.#to;
    return this.#found === 'more' && this.#to - this.#from > SEARCH_EAGER_BYTES ? SEARCH_PAUSE_MS : 0;
  }

  /**
   * Searches a known tail again, from where the last call stopped. What was written into it is
   * found by the next search, which begins at `from`.
   */
  async searchAgain(fd: number, chunk: Buffer, from: number): Promise<void> {
    const at = this.#again >= this.#to || this.#again < from ? from : this.#again;
    const { bytesRead } = await readAt(fd, chunk, 0, CHUNK_BYTES_MAX, at);
    const nuls = leadingNuls(chunk.subarray(0, bytesRead));
    this.#again = at + nuls;
    if (nuls < bytesRead) this.forget();
    else this.#to = Math.max(this.#to, this.#again);
  }

  /** Nothing is known: the next search begins where it is asked to. */
  forget(): void {
    [this.#from, this.#to, this.#found] = [0, 0, 'more'];
  }

  /**
   * How much longer to wait for bytes that may be written at `at`, ms. `end`: where the bytes
   * written behind them end. Lines need not be written in order.
   */
  #fillMs(at: number, end: number, nowMs: number): number {
    if (at < this.#settledTo) return 0;
    if (this.#held.at !== at) this.#held = { at, end, sinceMs: nowMs };
    const rest = this.#held.sinceMs + FILL_MS - nowMs;
    if (rest <= 0) this.#settledTo = this.#held.end;
    return Math.max(0, rest);
  }

  /** The first NUL in `bytes`, which lie at `position`, that may still be written; -1: none. */
  #firstUnsettled(bytes: Buffer, position: number, unit: 1 | 2): number {
    const at = Math.max(0, this.#settledTo - position);
    return at < bytes.length ? firstNul(bytes, position, at, unit) : -1;
  }
}

function leadingNuls(bytes: Buffer): number {
  if (bytes.equals(zeros.subarray(0, bytes.length))) return bytes.length;
  return bytes.findIndex((byte) => byte !== 0);
}
