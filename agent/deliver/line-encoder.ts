import { LineFinder } from './line-finder.ts';
import type { LineFormat } from './line-format.ts';
import { type Place, places } from './line-place.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { RecordKernel } from './record-kernel.ts';
import { RecordWriter } from './record-writer.ts';

export interface Chunk {
  bytes: Buffer;
  /** How many of `bytes` were read. */
  length: number;
  /** Where the chunk's first byte is in its generation. */
  position: number;
  /** Where the first record's range begins: before `position` when what lies between was skipped. */
  rangeStart: number;
  /** Never `skipped`: the rest of such a line is passed over before. */
  startsAt: Place;
  /** Nothing follows: the generation ends with this chunk, or it is read again up to where a batch ended. */
  last: boolean;
  /** When it is read again: where its last record ended then. */
  endsAt: Place;
  /** What there is of a multiline record is all of it: nothing came for a while. */
  flushed: boolean;
}

/** What the entry's policy for long lines has cut off, terminators included. Good lines may lie between. */
export interface Cut {
  start: number;
  end: number;
  bytes: number;
}

export interface Encoded {
  /** Bytes of the chunk that are done with. */
  consumed: number;
  /** The end of the last record's range. */
  rangeEnd: number;
  /** Records written. */
  records: number;
  /** What the last record's end is in the middle of. */
  endsAt: Place;
  /** What `consumed` is in the middle of: where to go on. */
  place: Place;
  /** The record buffer has no room for the next line. */
  full: boolean;
  /** Whole lines wait for what follows them. */
  open: boolean;
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
  #at = 0;
  #place: Place = places.lineStart;
  /** Behind the last record, and what that is in the middle of. */
  #end = 0;
  #endsAt: Place = places.lineStart;
  /** Content before it is in records, or counted as cut. */
  #counted = 0;
  #cut: Cut | undefined;
  #full = false;

  /** `kernel`: in whose memory chunk and target are. */
  encode(chunk: Chunk, format: LineFormat, target: RecordBuffer, kernel?: RecordKernel): Encoded {
    this.#begin(chunk, format, target);
    const first = this.#at;
    const forPlain = kernel?.takes(this.#bytes, format.headers?.[0]) && isPlain(format) ? kernel : undefined;
    do {
      if (forPlain && this.#place === places.lineStart) this.#plainLines(forPlain);
    } while (!this.#full && this.#at < chunk.length && this.#step());
    if (this.#full) {
      this.#at = this.#end;
      this.#place = this.#records > 0 ? this.#endsAt : chunk.startsAt;
    } else if (this.#at === first && !chunk.last && this.#place !== places.skipped) {
      // A mark alone is not worth a word.
      this.#at = 0;
    } else {
      this.#countCut();
    }
    return {
      consumed: this.#at,
      rangeEnd: this.#records > 0 ? this.#position + this.#end : chunk.rangeStart,
      records: this.#records,
      endsAt: this.#at > this.#end ? places.lineStart : this.#endsAt,
      place: this.#place,
      full: this.#full,
      open: this.#finder.open,
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
    this.#at = this.#counted = markBytes(this.#bytes, format, chunk.position);
    this.#place = chunk.startsAt;
    this.#end = 0;
    this.#endsAt = places.lineStart;
    this.#records = 0;
    this.#cut = undefined;
    this.#full = false;
  }

  /** The lines that nothing is special about: as many as there are in a row. */
  #plainLines(kernel: RecordKernel): void {
    const chunk = this.#bytes;
    const at = this.#at;
    const end = this.#end;
    const rangeStart = this.#records > 0 ? this.#position + end : this.#rangeStart;
    const run = { chunk, at, end, position: this.#position, rangeStart, lineBytesMax: this.#format.maxLineBytes };
    const written = kernel.writeLines(run, this.#format.headers?.[0], this.#target);
    if (written === 0) return;
    this.#countCut();
    this.#records += written;
    this.#at = this.#end = this.#counted = kernel.reached;
    this.#endsAt = places.lineStart;
    this.#writer.goOn(this.#position + this.#end);
  }

  /** Takes one record, or passes over what is not wanted; false when it can't. */
  #step(): boolean {
    const finder = this.#finder;
    if (this.#place === places.skipped) {
      const next = finder.lineAfter(this.#at);
      if (next === -1) return false;
      this.#at = next;
      this.#place = places.lineStart;
      return true;
    }
    const found = finder.find(this.#at, this.#place);
    if (found === 'wait') return false;
    if (found === 'drop') {
      this.#place = places.skipped;
      return true;
    }
    this.#full = !this.#write();
    if (this.#full) return false;
    this.#countCut();
    this.#records++;
    this.#at = this.#end = this.#counted = finder.next;
    this.#place = this.#endsAt = finder.after;
    return true;
  }

  #write(): boolean {
    const { valueEnd, next, flags } = this.#finder;
    const { headers, charset } = this.#format;
    const advance = next - this.#end;
    if (!charset.decoder) return this.#writer.write(this.#bytes, this.#at, valueEnd, advance, headers?.[flags]);
    const text = Buffer.from(charset.decoder.decode(this.#bytes.subarray(this.#at, valueEnd)));
    return this.#writer.write(text, 0, text.length, advance, headers?.[flags]);
  }

  /** What lies between the last record and here is cut off. */
  #countCut(): void {
    if (this.#at <= this.#counted) return;
    const start = this.#position + this.#counted;
    const end = this.#position + this.#at;
    this.#cut = { start: this.#cut?.start ?? start, end, bytes: (this.#cut?.bytes ?? 0) + end - start };
  }
}

function markBytes(bytes: Buffer, { charset: { mark } }: LineFormat, position: number): number {
  return position === 0 && mark.length > 0 && bytes.subarray(0, mark.length).equals(mark) ? mark.length : 0;
}

function isPlain({ charset, grouping }: LineFormat): boolean {
  return charset.unit === 1 && !charset.half && !charset.decoder && !grouping;
}
