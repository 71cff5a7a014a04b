import { isPassedOver, type LineState, lineStates } from '../model/line-state.ts';
import type { Cut } from '../model/segment.ts';
import { markBytes } from './charset.ts';
import type { Chunk } from './chunk.ts';
import { LineFinder } from './line-finder.ts';
import { type LineFormat, leavesOutRecords } from './line-format.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { RecordKernel } from './record-kernel.ts';
import { RecordWriter } from './record-writer.ts';

/** What became of a chunk. */
export interface EncodeResult {
  /** Bytes of the chunk that need not be read again. */
  consumed: number;
  /**
   * Where the bytes of the last record begin, if there is a filter: lines that it excluded may lie
   * before them in the record's range.
   */
  lastRecordStart: number | undefined;
  /** The end of the last record's range. */
  rangeEnd: number;
  recordCount: number;
  /** The number of records that the filter excluded. */
  filteredCount: number;
  /** How many of the consumed bytes are holes. */
  holeBytes: number;
  /** What the end of the last record lies in the middle of, even if the filter excluded it. */
  endState: LineState;
  /** What the position after `consumed` lies in the middle of. */
  lineState: LineState;
  /** The record buffer has no room for the next line. */
  isFull: boolean;
  /** Complete lines wait for the next ones, which may belong to the same record. */
  isIncomplete: boolean;
  cut: Cut | undefined;
}

/**
 * The hot path: encodes a chunk's lines as records, without an object per line. Incomplete lines
 * stay in the file. The kernel writes plain lines, a whole run in one call; all other lines are
 * written here, one by one. An encoder keeps state during one call only, so it serves one chunk at
 * a time.
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
  #holeBytes = 0;
  #at = 0;
  #lineState: LineState = lineStates.lineStart;
  /** Where the last record ends. */
  #end = 0;
  #lastRecordStart: number | undefined;
  /** Content before it is in records, excluded by the filter, or counted as cut. */
  #counted = 0;
  /** What `#counted` lies in the middle of: for the records, and for the next read. */
  #endState: LineState = lineStates.lineStart;
  #countedState: LineState = lineStates.lineStart;
  #cut: Cut | undefined;
  #isFull = false;

  /** `kernel`: chunk and target lie in its memory. */
  encode(chunk: Chunk, format: LineFormat, target: RecordBuffer, kernel?: RecordKernel): EncodeResult {
    this.#reset(chunk, format, target);
    const first = this.#at;
    const plainKernel =
      kernel?.canEncode(this.#bytes, format.headers?.forFlags(0)) && isPlain(format) ? kernel : undefined;
    do {
      if (plainKernel && this.#lineState === lineStates.lineStart) this.#encodePlainLines(plainKernel);
    } while (!this.#isFull && this.#at < chunk.length && this.#encodeNext());
    if (this.#isFull) {
      const hasRecords = this.#records + this.#filtered > 0;
      this.#at = hasRecords ? this.#counted : 0;
      this.#lineState = hasRecords ? this.#countedState : chunk.startState;
    } else if (this.#at === first && !chunk.isLast && !isPassedOver(this.#lineState)) {
      // Only a byte order mark so far.
      this.#at = 0;
    } else {
      this.#countCut();
    }
    return {
      consumed: this.#at,
      lastRecordStart: this.#lastRecordStart,
      rangeEnd: this.#records > 0 ? this.#position + this.#end : chunk.rangeStart,
      recordCount: this.#records,
      filteredCount: this.#filtered,
      holeBytes: this.#at > 0 ? this.#holeBytes : 0,
      endState: this.#at > this.#counted ? lineStates.lineStart : this.#endState,
      lineState: this.#lineState,
      isFull: this.#isFull,
      isIncomplete: this.#finder.isIncomplete,
      cut: this.#cut,
    };
  }

  #reset(chunk: Chunk, format: LineFormat, target: RecordBuffer): void {
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
    this.#records = this.#filtered = this.#holeBytes = 0;
    this.#cut = this.#lastRecordStart = undefined;
    this.#isFull = false;
  }

  /** Writes as many plain lines as there are in a row. */
  #encodePlainLines(kernel: RecordKernel): void {
    const chunk = this.#bytes;
    const at = this.#at;
    const end = this.#end;
    const rangeStart = this.#records > 0 ? this.#position + end : this.#rangeStart;
    const run = { chunk, at, end, position: this.#position, rangeStart, lineBytesMax: this.#format.maxLineBytes };
    const written = kernel.writeLines(run, this.#format.headers?.forFlags(0), this.#target);
    if (written === 0) return;
    this.#countCut();
    this.#records += written;
    this.#end = kernel.lastRunEnd;
    this.#advanceTo(this.#end, lineStates.lineStart);
    this.#writer.continueAt(this.#position + this.#end);
  }

  /** Writes one record or skips one. False: it can't. */
  #encodeNext(): boolean {
    const finder = this.#finder;
    if (isPassedOver(this.#lineState)) return this.#passOver();
    if (this.#lineState !== lineStates.line) {
      const holeEnd = finder.holeEnd(this.#at);
      if (holeEnd === 'wait') return false;
      if (holeEnd > this.#at) return this.#passHole(holeEnd);
    }
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
      this.#dropFiltered();
      return true;
    }
    this.#isFull = !this.#write(text);
    if (this.#isFull) return false;
    this.#countCut();
    this.#records++;
    if (leavesOutRecords(this.#format)) this.#lastRecordStart = this.#position + this.#at;
    this.#end = finder.nextStart;
    this.#advanceTo(finder.nextStart, finder.nextState);
    return true;
  }

  /** Bytes that nobody wrote lie in the next record's range. They end a multiline record. */
  #passHole(end: number): true {
    this.#countCut();
    this.#holeBytes += end - this.#at;
    this.#advanceTo(end, lineStates.lineStart);
    return true;
  }

  /** Skips the rest of a line. */
  #passOver(): boolean {
    const next = this.#finder.nextLineStart(this.#at);
    if (next === -1) return false;
    if (this.#lineState === lineStates.filtered) this.#advanceTo(next, lineStates.lineStart);
    else [this.#at, this.#lineState] = [next, lineStates.lineStart];
    return true;
  }

  /**
   * Whether the filter keeps the record found. If a line is too long for one record, its first part
   * decides. But if only the topic refuses longer lines, the line was kept as a whole before, and
   * must not be dropped for what its first part lacks.
   */
  #isKept(text: Buffer | undefined): boolean {
    const { filter, facts } = this.#format;
    if (!filter || this.#lineState === lineStates.line) return true;
    const { nextState: after, valueEnd } = this.#finder;
    const tooLong = after === lineStates.line || isPassedOver(after);
    if (tooLong && facts.topicBytesMax !== undefined) return true;
    if (this.#lineState === lineStates.group && !tooLong) return true;
    if (this.#lineState === lineStates.filteredGroup && !tooLong) return false;
    if (!text) return filter.keeps(this.#at, valueEnd);
    filter.begin(text);
    return filter.keeps(0, text.length);
  }

  /** Drops the record found and the rest of it, which the filter has judged by this part. */
  #dropFiltered(): void {
    const { nextState: after, nextStart: next } = this.#finder;
    const rest = after === lineStates.group ? lineStates.filteredGroup : lineStates.filtered;
    this.#advanceTo(next, after, after === lineStates.lineStart ? after : rest);
  }

  /** All before `at` is in records or dropped. */
  #advanceTo(at: number, endState: LineState, lineState = endState): void {
    this.#at = this.#counted = at;
    this.#endState = endState;
    this.#lineState = this.#countedState = lineState;
  }

  #write(text: Buffer | undefined): boolean {
    const { valueEnd, nextStart: next, flags } = this.#finder;
    const template = this.#format.headers?.forFlags(flags);
    const advance = next - this.#end;
    if (!text) return this.#writer.write(this.#bytes, this.#at, valueEnd, advance, template);
    return this.#writer.write(text, 0, text.length, advance, template);
  }

  /** Counts what lies between the last record and here as cut off. */
  #countCut(): void {
    if (this.#at <= this.#counted) return;
    const start = this.#position + this.#counted;
    const end = this.#position + this.#at;
    this.#cut = { start: this.#cut?.start ?? start, end, bytes: (this.#cut?.bytes ?? 0) + end - start };
  }
}

/** Whether the kernel can encode lines of this format. */
function isPlain(format: LineFormat): boolean {
  const { charset, grouping } = format;
  return charset.unit === 1 && !charset.carriageReturn && !charset.decoder && !grouping && !leavesOutRecords(format);
}
