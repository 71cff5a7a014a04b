import { HOLE_BYTES_MIN } from '../model/hole.ts';
import { isPassedOver, type LineState, lineStates } from '../model/line-state.ts';
import { characterEnd, completeBytes, findLineEnd } from './charset.ts';
import type { Chunk } from './chunk.ts';
import { nulBytesAt } from './hole.ts';
import type { Grouping, LineFormat } from './line-format.ts';
import { recordFlags } from './record-headers.ts';

const LINE_FEED = 0x0a;

/**
 * Finds where records begin and end in a chunk. The result depends only on the bytes, the format
 * and the states at the chunk's two ends, so a re-read yields the same records however it is split.
 * Allocates no object per record: its fields describe the last record found.
 */
export class LineFinder {
  #bytes: Buffer = Buffer.alloc(0);
  #chunk!: Chunk;
  #format!: LineFormat;
  /** How many bytes can be used now. See completeBytes. */
  #completeBytes = 0;
  #isLineFeed = true;
  /** Where the value of the record found ends, and where the next record begins. */
  valueEnd = 0;
  nextStart = 0;
  /** What `nextStart` lies in the middle of. */
  nextState: LineState = lineStates.lineStart;
  /** The flags of the record found. */
  flags = 0;
  /** The last search found complete lines, but their multiline record may continue. */
  isIncomplete = false;

  begin(bytes: Buffer, chunk: Chunk, format: LineFormat): void {
    const { charset } = format;
    this.#bytes = bytes;
    this.#chunk = chunk;
    this.#format = format;
    this.#isLineFeed = charset.unit === 1 && !charset.carriageReturn;
    this.#completeBytes =
      chunk.isLast || this.#isLineFeed ? bytes.length : completeBytes(charset, bytes, chunk.position);
    this.isIncomplete = false;
  }

  /**
   * Finds the record that begins at `at`. `wait`: its end is not in the chunk yet. `drop`: the line
   * is too long and must be dropped.
   */
  find(at: number, lineState: LineState): 'found' | 'wait' | 'drop' {
    const { grouping } = this.#format;
    const step = this.#findLine(at, lineState);
    if (step !== 'found' || !grouping || lineState === lineStates.line || this.nextState !== lineStates.lineStart)
      return step;
    return this.#extendGroup(at, lineState, grouping);
  }

  /** Where the next line after `at` begins; -1: not in this chunk. */
  nextLineStart(at: number): number {
    const end = this.#findEnd(at);
    return end === -1 ? -1 : end + this.#format.charset.terminator.length;
  }

  /**
   * Where the hole that begins at `at`, the start of a line, ends; `at`: there is none; `wait`: it
   * may continue after the chunk.
   */
  holeEnd(at: number): number | 'wait' {
    if (this.#bytes[at] !== 0) return at;
    const length = nulBytesAt(this.#bytes, at, this.#format.charset.unit);
    if (at + length >= this.#completeBytes && !this.#chunk.isLast) return 'wait';
    return length < HOLE_BYTES_MIN ? at : at + length;
  }

  #findEnd(at: number): number {
    if (this.#isLineFeed) return this.#bytes.indexOf(LINE_FEED, at);
    return findLineEnd(this.#format.charset, this.#bytes, at, this.#chunk.position);
  }

  #findLine(at: number, lineState: LineState): 'found' | 'wait' | 'drop' {
    const { isLast } = this.#chunk;
    const found = this.#findEnd(at);
    const end = found === -1 ? this.#completeBytes : found;
    if (end - at > this.#format.maxLineBytes) return this.#overLong(at);
    if (found === -1 && !isLast) return 'wait';
    this.valueEnd = end;
    this.flags = lineState === lineStates.line ? recordFlags.split : 0;
    this.nextState = lineStates.lineStart;
    if (found !== -1) {
      this.nextStart = found + this.#format.charset.terminator.length;
      return 'found';
    }
    this.nextStart = end;
    this.#endOfChunk();
    return 'found';
  }

  /**
   * A line without a terminator at the last chunk's end is unterminated, or was cut there before.
   */
  #endOfChunk(): void {
    const { endState } = this.#chunk;
    if (!this.#endsInPiece) this.flags |= recordFlags.unterminated;
    else {
      this.flags |= endState === lineStates.line ? recordFlags.split : recordFlags.truncated;
      this.nextState = endState;
    }
  }

  get #endsInPiece(): boolean {
    const { isLast, endState } = this.#chunk;
    return isLast && (endState === lineStates.line || isPassedOver(endState));
  }

  #overLong(at: number): 'found' | 'drop' {
    const { overLong, maxLineBytes, charset } = this.#format;
    if (overLong === 'drop') return 'drop';
    this.valueEnd = this.nextStart = characterEnd(charset, this.#bytes, at, at + maxLineBytes);
    const split = overLong === 'split';
    this.flags = split ? recordFlags.split : recordFlags.truncated;
    this.nextState = split ? lineStates.line : lineStates.skipped;
    return 'found';
  }

  /** Extends the record found by the lines that continue it. A line that is too long never does. */
  #extendGroup(at: number, lineState: LineState, grouping: Grouping): 'found' | 'wait' {
    const { isLast, endState, isFlushed } = this.#chunk;
    if (lineState === lineStates.group) this.flags |= recordFlags.split;
    for (let lines = 1; ; lines++) {
      const from = this.nextStart;
      if (from >= this.#bytes.length && isLast) {
        if (endState === lineStates.group) this.#endGroup();
        return 'found';
      }
      const hole = this.holeEnd(from);
      if (hole === 'wait' && this.#bytes.length - from < HOLE_BYTES_MIN) return this.#waitUnless(isFlushed);
      if (hole !== from) return 'found';
      const found = this.#findEnd(from);
      const end = found === -1 ? this.#completeBytes : found;
      const known = found !== -1 || isLast || end - from >= grouping.patternBytes;
      if (!known) return this.#waitUnless(isFlushed);
      if (!this.#continuesRecord(from, Math.min(end, from + grouping.patternBytes), grouping)) return 'found';
      const cut = found === -1 && this.#endsInPiece;
      if (lines === grouping.maxLines || end - at > this.#format.maxLineBytes || cut) {
        this.#endGroup();
        return 'found';
      }
      if (found === -1 && !isLast) return this.#waitUnless(isFlushed);
      this.valueEnd = end;
      this.nextStart = found === -1 ? end : found + this.#format.charset.terminator.length;
      if (found === -1) this.flags |= recordFlags.unterminated;
    }
  }

  /** The record would become too large, so its rest becomes another record. */
  #endGroup(): void {
    this.flags |= recordFlags.split;
    this.nextState = lineStates.group;
  }

  #waitUnless(isFlushed: boolean): 'found' | 'wait' {
    if (isFlushed) return 'found';
    this.isIncomplete = true;
    return 'wait';
  }

  #continuesRecord(from: number, to: number, { pattern, isStart }: Grouping): boolean {
    const { decoder } = this.#format.charset;
    const text = decoder ? decoder.decode(this.#bytes.subarray(from, to)) : this.#bytes.toString('utf8', from, to);
    return pattern.test(text) !== isStart;
  }
}
