import { isPassedOver, type LineState, lineStates } from '../model/line-state.ts';
import type { Cut } from '../model/segment.ts';
import { markBytes } from './charset.ts';
import type { Chunk } from './chunk.ts';
import { LineFinder } from './line-finder.ts';
import type { LineFormat } from './line-format.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { RecordKernel } from './record-kernel.ts';
import { RecordWriter } from './record-writer.ts';

export interface EncodeResult {
  /** Bytes of the chunk that are done with. */
  consumed: number;
  /** Where the bytes of the last record begin, when there is a filter: what it does not keep may lie before them in the record's range. */
  lastRecordStart: number | undefined;
  /** The end of the last record's range. */
  rangeEnd: number;
  /** Records written. */
  recordCount: number;
  /** Records that the filter did not keep. */
  filteredCount: number;
  /** What the last record's end is in the middle of, whether the filter kept it or not. */
  endState: LineState;
  /** What `consumed` is in the middle of: where to go on. */
  lineState: LineState;
  /** The record buffer has no room for the next line. */
  isFull: boolean;
  /** Whole lines wait for what follows them. */
  isIncomplete: boolean;
  cut: Cut | undefined;
}

/**
 * The hot path: the file's chunk becomes records, without an object per line; half lines stay in the file. Lines that nothing is special
 * about are the kernel's, a whole run in one call; the others are written here, one by one. Has state for one call only, so one encoder
 * serves one chunk at a time.
 */
export class LineEncoder {
  readonly #finder = new LineFinder();
  readonly #writer = new RecordWriter();
  #bytes: Buffer = Buffer.alloc(0);
  #position = 0;
  #rangeStart = 0;
  #format!: LineFormat;
  #target!: RecordBuffer;
  #records = 0;
  #filtered = 0;
  #at = 0;
  #lineState: LineState = lineStates.lineStart;
  /** Behind the last record. */
  #end = 0;
  #lastAt: number | undefined;
  /** Content before it is in records, filtered out, or counted as cut. */
  #counted = 0;
  /** What that is in the middle of, for the records, and where to go on from it. */
  #endState: LineState = lineStates.lineStart;
  #countedPlace: LineState = lineStates.lineStart;
  #cut: Cut | undefined;
  #full = false;

  /** `kernel`: in whose memory chunk and target are. */
  encode(chunk: Chunk, format: LineFormat, target: RecordBuffer, kernel?: RecordKernel): EncodeResult {
    this.#begin(chunk, format, target);
    const first = this.#at;
    const forPlain = kernel?.takes(this.#bytes, format.headers?.forFlags(0)) && isPlain(format) ? kernel : undefined;
    do {
      if (forPlain && this.#lineState === lineStates.lineStart) this.#plainLines(forPlain);
    } while (!this.#full && this.#at < chunk.length && this.#step());
    if (this.#full) {
      const taken = this.#records + this.#filtered > 0;
      this.#at = taken ? this.#counted : 0;
      this.#lineState = taken ? this.#countedPlace : chunk.startState;
    } else if (this.#at === first && !chunk.isLast && !isPassedOver(this.#lineState)) {
      // A mark alone is not worth a word.
      this.#at = 0;
    } else {
      this.#countCut();
    }
    return {
      consumed: this.#at,
      lastRecordStart: this.#lastAt,
      rangeEnd: this.#records > 0 ? this.#position + this.#end : chunk.rangeStart,
      recordCount: this.#records,
      filteredCount: this.#filtered,
      endState: this.#at > this.#counted ? lineStates.lineStart : this.#endState,
      lineState: this.#lineState,
      isFull: this.#full,
      isIncomplete: this.#finder.open,
      cut: this.#cut,
    };
  }

  #begin(chunk: Chunk, format: LineFormat, target: RecordBuffer): void {
    this.#bytes = chunk.bytes.subarray(0, chunk.length);
    this.#position = chunk.position;
    this.#rangeStart = chunk.rangeStart;
    this.#format = format;
    this.#target = target;
    this.#finder.begin(this.#bytes, chunk, format);
    this.#writer.begin(target, chunk.rangeStart, chunk.position);
    format.filter?.begin(this.#bytes);
    this.#at = this.#counted = markBytes(format.charset, this.#bytes, chunk.position);
    this.#lineState = chunk.startState;
    this.#end = 0;
    this.#endState = lineStates.lineStart;
    this.#records = this.#filtered = 0;
    this.#cut = this.#lastAt = undefined;
    this.#full = false;
  }

  /** The lines that nothing is special about: as many as there are in a row. */
  #plainLines(kernel: RecordKernel): void {
    const chunk = this.#bytes;
    const at = this.#at;
    const end = this.#end;
    const rangeStart = this.#records > 0 ? this.#position + end : this.#rangeStart;
    const run = { chunk, at, end, position: this.#position, rangeStart, lineBytesMax: this.#format.maxLineBytes };
    const written = kernel.writeLines(run, this.#format.headers?.forFlags(0), this.#target);
    if (written === 0) return;
    this.#countCut();
    this.#records += written;
    this.#end = kernel.reached;
    this.#took(this.#end, lineStates.lineStart);
    this.#writer.goOn(this.#position + this.#end);
  }

  /** Takes one record, or passes over what is not wanted; false when it can't. */
  #step(): boolean {
    const finder = this.#finder;
    if (isPassedOver(this.#lineState)) return this.#passOver();
    const inGroup = this.#lineState === lineStates.group || this.#lineState === lineStates.filteredGroup;
    const found = finder.find(this.#at, inGroup ? lineStates.group : this.#lineState);
    if (found === 'wait') return false;
    if (found === 'drop') {
      this.#lineState = inGroup ? lineStates.skippedGroup : lineStates.skipped;
      return true;
    }
    const { decoder } = this.#format.charset;
    const text = decoder && Buffer.from(decoder.decode(this.#bytes.subarray(this.#at, finder.valueEnd)));
    if (!this.#isKept(text)) {
      this.#countCut();
      this.#filtered++;
      this.#leaveOut();
      return true;
    }
    this.#full = !this.#write(text);
    if (this.#full) return false;
    this.#countCut();
    this.#records++;
    if (this.#format.filter) this.#lastAt = this.#position + this.#at;
    this.#end = finder.next;
    this.#took(finder.next, finder.after);
    return true;
  }

  /** The rest of a line. */
  #passOver(): boolean {
    const next = this.#finder.lineAfter(this.#at);
    if (next === -1) return false;
    if (this.#lineState === lineStates.filtered) this.#took(next, lineStates.lineStart);
    else [this.#at, this.#lineState] = [next, lineStates.lineStart];
    return true;
  }

  /**
   * Whether the filter keeps the record found. Of what is too large for one, the first part decides; unless it is the topic that takes no
   * larger ones: a line that was kept as a whole is read again then, and may not be dropped for what its first part lacks.
   */
  #isKept(text: Buffer | undefined): boolean {
    const { filter, facts } = this.#format;
    if (!filter || this.#lineState === lineStates.line) return true;
    const { after, valueEnd } = this.#finder;
    const tooLong = after === lineStates.line || isPassedOver(after);
    if (tooLong && facts.topicBytesMax !== undefined) return true;
    if (this.#lineState === lineStates.group && !tooLong) return true;
    if (this.#lineState === lineStates.filteredGroup && !tooLong) return false;
    if (!text) return filter.keeps(this.#at, valueEnd);
    filter.begin(text);
    return filter.keeps(0, text.length);
  }

  /** The record found, and what belongs to it. */
  #leaveOut(): void {
    const { after, next } = this.#finder;
    const rest = after === lineStates.group ? lineStates.filteredGroup : lineStates.filtered;
    this.#took(next, after, after === lineStates.lineStart ? after : rest);
  }

  /** All before `at` is dealt with. */
  #took(at: number, endState: LineState, lineState = endState): void {
    this.#at = this.#counted = at;
    this.#endState = endState;
    this.#lineState = this.#countedPlace = lineState;
  }

  #write(text: Buffer | undefined): boolean {
    const { valueEnd, next, flags } = this.#finder;
    const template = this.#format.headers?.forFlags(flags);
    const advance = next - this.#end;
    if (!text) return this.#writer.write(this.#bytes, this.#at, valueEnd, advance, template);
    return this.#writer.write(text, 0, text.length, advance, template);
  }

  /** What lies between the last record and here is cut off. */
  #countCut(): void {
    if (this.#at <= this.#counted) return;
    const start = this.#position + this.#counted;
    const end = this.#position + this.#at;
    this.#cut = { start: this.#cut?.start ?? start, end, bytes: (this.#cut?.bytes ?? 0) + end - start };
  }
}

function isPlain({ charset, grouping, filter }: LineFormat): boolean {
  return charset.unit === 1 && !charset.half && !charset.decoder && !grouping && !filter;
}
