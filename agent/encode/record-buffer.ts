/** Extra room, so that one line of the longest allowed size always fits into an empty buffer. */
const SLACK_BYTES = 16 * 1024;

/**
 * The largest batch before compression. Below the broker's default message.max.bytes of 1,048,588
 * even if it does not compress.
 */
export const RECORD_BYTES_MAX = 1_000_000;
export const RECORD_BUFFER_BYTES = RECORD_BYTES_MAX + SLACK_BYTES;

/** The buffer for the records of one batch before compression. One batch owns it at a time. */
export class RecordBuffer {
  readonly bytes: Buffer;
  #length = 0;
  #records = 0;
  #target = RECORD_BYTES_MAX;
  #lineBytesMax = Number.POSITIVE_INFINITY;

  /** `bytes` has RECORD_BUFFER_BYTES. */
  constructor(bytes: Buffer = Buffer.allocUnsafeSlow(RECORD_BUFFER_BYTES)) {
    this.bytes = bytes;
  }

  /** The number of bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** The number of records written so far. */
  get recordCount(): number {
    return this.#records;
  }

  /** The topic refuses longer lines (bytes in the file): they must be split. */
  get lineBytesMax(): number {
    return this.#lineBytesMax;
  }

  get remaining(): number {
    return Math.max(0, this.#target - this.#length);
  }

  /** The first record always has room: the longest line is shorter than the buffer. */
  hasRoom(bytes: number): boolean {
    if (this.#records === 0) return bytes <= this.bytes.length;
    return this.#length + bytes <= this.#target;
  }

  /** How much all records may fill. A single record may fill the whole buffer. */
  get bytesMax(): number {
    return this.#target;
  }

  /** Notes that `records` were written, up to `end`. */
  append(end: number, records = 1): void {
    this.#length = end;
    this.#records += records;
  }

  /**
   * Empties the buffer for another batch of at most `targetBytes`, of lines of at most
   * `lineBytesMax`.
   */
  reset(targetBytes = RECORD_BYTES_MAX, lineBytesMax = Number.POSITIVE_INFINITY): void {
    this.#lineBytesMax = lineBytesMax;
    this.#length = 0;
    this.#records = 0;
    this.#target = Math.min(targetBytes, RECORD_BYTES_MAX);
  }

  /** The written bytes. Valid until the next reset. */
  view(): Buffer {
    return this.bytes.subarray(0, this.#length);
  }
}
