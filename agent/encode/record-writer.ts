import { DecimalPosition } from './decimal.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { HeaderTemplate } from './record-headers.ts';
import { varintBytes, writeVarint } from './varint.ts';

/*
 * Record (https://kafka.apache.org/documentation/#record), all numbers zigzag varints:
 *
 *   length | attributes int8 = 0 | timestampDelta = 0 | offsetDelta | keyLength = -1 (null)
 *          | valueLength | value | headerCount | (keyLength | key | valueLength | value)*
 *
 * One batch is read within milliseconds, so all its records share the batch's timestamp.
 */
const NULL_KEY = 0x01;
const NO_HEADERS = 0x00;
/** attributes, timestampDelta and the null key, a byte each. */
const FIXED_BYTES = 3;

/** Writes the records of a run of lines of one source, and computes their ranges. */
export class RecordWriter {
  readonly #start = new DecimalPosition();
  readonly #end = new DecimalPosition();
  #target!: RecordBuffer;
  /** Where the run begins, if the first record's range begins before it. */
  #skippedTo: number | undefined;

  /** The first record's range begins at `rangeStart`; the run begins at `position`. */
  begin(target: RecordBuffer, rangeStart: number, position: number): void {
    this.#target = target;
    this.#start.set(rangeStart);
    this.#end.set(position);
    this.#skippedTo = rangeStart === position ? undefined : position;
  }

  /**
   * Writes one record with the value `bytes[from, to)`. Its range ends `advance` bytes after the
   * previous range. Returns false if it has no room; the writer must not be used afterwards.
   */
  write(bytes: Buffer, from: number, to: number, advance: number, headers: HeaderTemplate | undefined): boolean {
    const valueBytes = to - from;
    const end = this.#end;
    end.add(advance);
    const rangeBytes = this.#start.length + 1 + end.length;
    const headerBytes = headers
      ? headers.before.length + varintBytes(rangeBytes) + rangeBytes + headers.after.length
      : 1;
    const target = this.#target;
    const offsetDelta = target.recordCount;
    const size = FIXED_BYTES + varintBytes(offsetDelta) + varintBytes(valueBytes) + valueBytes + headerBytes;
    const into = target.bytes;
    if (!target.hasRoom(size + varintBytes(size))) return false;
    let at = writeVarint(into, target.length, size);
    into[at++] = 0;
    into[at++] = 0;
    at = writeVarint(into, at, offsetDelta);
    into[at++] = NULL_KEY;
    at = writeVarint(into, at, valueBytes);
    bytes.copy(into, at, from, to);
    at += valueBytes;
    at = headers ? this.#writeHeaders(into, at, headers, rangeBytes) : writeNoHeaders(into, at);
    target.append(at);
    this.#advance(advance);
    return true;
  }

  /** The kernel wrote the lines up to `position`. */
  continueAt(position: number): void {
    this.#start.set(position);
    this.#end.set(position);
    this.#skippedTo = undefined;
  }

  #advance(bytes: number): void {
    if (this.#skippedTo !== undefined) this.#start.set(this.#skippedTo);
    this.#skippedTo = undefined;
    this.#start.add(bytes);
  }

  #writeHeaders(into: Buffer, from: number, { before, after }: HeaderTemplate, rangeBytes: number): number {
    into.set(before, from);
    let at = writeVarint(into, from + before.length, rangeBytes);
    at = this.#start.write(into, at);
    into[at++] = 0x2d;
    at = this.#end.write(into, at);
    if (after.length > 0) into.set(after, at);
    return at + after.length;
  }
}

function writeNoHeaders(into: Buffer, at: number): number {
  into[at] = NO_HEADERS;
  return at + 1;
}
