import { isPassedOver, type LineState, lineStates } from '../model/line-state.ts';
import { characterEnd, completeBytes, findLineEnd } from './charset.ts';
import type { Chunk } from './chunk.ts';
import type { Grouping, LineFormat } from './line-format.ts';
import { recordFlags } from './record-headers.ts';

const LINE_FEED = 0x0a;

/**
 * Finds where records begin and end in a chunk. Depends on nothing but the bytes, the format and, at the chunk's two ends, on what it
 * is told of them: so the bytes of a record are the same records again, however they are read. No object per record: the last one
 * found is in its fields.
 */
export class LineFinder {
  #bytes: Buffer = Buffer.alloc(0);
  #chunk!: Chunk;
  #format!: LineFormat;
  /** How many bytes are there for certain. */
  #whole = 0;
  #lineFeed = true;
  /** Of the record found: where its value ends, where the next begins, what that is in the middle of, and its flags. */
  valueEnd = 0;
  next = 0;
  after: LineState = lineStates.lineStart;
  flags = 0;
  /** The last search waits for more though whole lines are there, which may be a multiline record. */
  open = false;

  begin(bytes: Buffer, chunk: Chunk, format: LineFormat): void {
    const { charset } = format;
    this.#bytes = bytes;
    this.#chunk = chunk;
    this.#format = format;
    this.#lineFeed = charset.unit === 1 && !charset.half;
    this.#whole = chunk.isLast || this.#lineFeed ? bytes.length : completeBytes(charset, bytes, chunk.position);
    this.open = false;
  }

  /** Looks for the record that begins at `at`. `wait`: its end is not there yet; `drop`: a line that is not wanted. */
  find(at: number, lineState: LineState): 'found' | 'wait' | 'drop' {
    const { grouping } = this.#format;
    const step = this.#line(at, lineState);
    if (step !== 'found' || !grouping || lineState === lineStates.line || this.after !== lineStates.lineStart)
      return step;
    return this.#group(at, lineState, grouping);
  }

  /** Where the line after `at` begins; -1: not in this chunk. */
  lineAfter(at: number): number {
    const end = this.#lineEnd(at);
    return end === -1 ? -1 : end + this.#format.charset.terminator.length;
  }

  #lineEnd(at: number): number {
    if (this.#lineFeed) return this.#bytes.indexOf(LINE_FEED, at);
    return findLineEnd(this.#format.charset, this.#bytes, at, this.#chunk.position);
  }

  #line(at: number, lineState: LineState): 'found' | 'wait' | 'drop' {
    const { isLast: last } = this.#chunk;
    const found = this.#lineEnd(at);
    const end = found === -1 ? this.#whole : found;
    if (end - at > this.#format.maxLineBytes) return this.#overLong(at);
    if (found === -1 && !last) return 'wait';
    this.valueEnd = end;
    this.flags = lineState === lineStates.line ? recordFlags.split : 0;
    this.after = lineStates.lineStart;
    if (found !== -1) {
      this.next = found + this.#format.charset.terminator.length;
      return 'found';
    }
    this.next = end;
    this.#endOfChunk();
    return 'found';
  }

  /** A line without a terminator at the end of what will not go on: it is unterminated, or was cut here before. */
  #endOfChunk(): void {
    const { endState } = this.#chunk;
    if (!this.#endsInPiece) this.flags |= recordFlags.unterminated;
    else {
      this.flags |= endState === lineStates.line ? recordFlags.split : recordFlags.truncated;
      this.after = endState;
    }
  }

  get #endsInPiece(): boolean {
    const { isLast: last, endState } = this.#chunk;
    return last && (endState === lineStates.line || isPassedOver(endState));
  }

  #overLong(at: number): 'found' | 'drop' {
    const { overLong, maxLineBytes, charset } = this.#format;
    if (overLong === 'drop') return 'drop';
    this.valueEnd = this.next = characterEnd(charset, this.#bytes, at, at + maxLineBytes);
    const split = overLong === 'split';
    this.flags = split ? recordFlags.split : recordFlags.truncated;
    this.after = split ? lineStates.line : lineStates.skipped;
    return 'found';
  }

  /** The line found is the first of a record: takes in those that go on with it. A line that is too long is never one of them. */
  #group(at: number, lineState: LineState, grouping: Grouping): 'found' | 'wait' {
    const { isLast: last, endState, isFlushed: flushed } = this.#chunk;
    if (lineState === lineStates.group) this.flags |= recordFlags.split;
    for (let lines = 1; ; lines++) {
      const from = this.next;
      if (from >= this.#bytes.length && last) {
        if (endState === lineStates.group) this.#endGroup();
        return 'found';
      }
      const found = this.#lineEnd(from);
      const end = found === -1 ? this.#whole : found;
      const known = found !== -1 || last || end - from >= grouping.patternBytes;
      if (!known) return this.#waitUnless(flushed);
      if (!this.#goesOn(from, Math.min(end, from + grouping.patternBytes), grouping)) return 'found';
      const cut = found === -1 && this.#endsInPiece;
      if (lines === grouping.maxLines || end - at > this.#format.maxLineBytes || cut) {
        this.#endGroup();
        return 'found';
      }
      if (found === -1 && !last) return this.#waitUnless(flushed);
      this.valueEnd = end;
      this.next = found === -1 ? end : found + this.#format.charset.terminator.length;
      if (found === -1) this.flags |= recordFlags.unterminated;
    }
  }

  /** The record would become too large: what follows of it is another. */
  #endGroup(): void {
    this.flags |= recordFlags.split;
    this.after = lineStates.group;
  }

  #waitUnless(flushed: boolean): 'found' | 'wait' {
    if (flushed) return 'found';
    this.open = true;
    return 'wait';
  }

  #goesOn(from: number, to: number, { pattern, begins }: Grouping): boolean {
    const { decoder } = this.#format.charset;
    const text = decoder ? decoder.decode(this.#bytes.subarray(from, to)) : this.#bytes.toString('utf8', from, to);
    return pattern.test(text) !== begins;
  }
}
