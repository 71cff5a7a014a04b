/** Room for a record beyond the target, so that one line of the longest allowed size always fits into an empty buffer. */
const SLACK_BYTES = 16 * 1024;

/** The largest raw batch: below the broker's default message.max.bytes of 1,048,588 even when it does not compress. */
export const RECORD_BYTES_MAX = 1_000_000;
export const RECORD_BUFFER_BYTES = RECORD_BYTES_MAX + SLACK_BYTES;

/** Where the records of one batch are encoded, before compression. Owned by one batch at a time. */
export class RecordBuffer {
  readonly bytes: Buffer;
  #length = 0;
  #records = 0;
  #target = RECORD_BYTES_MAX;
  #lineBytesMax = Number.POSITIVE_INFINITY;

  /** `bytes`: RECORD_BUFFER_BYTES of them. */
  constructor(bytes: Buffer = Buffer.allocUnsafeSlow(RECORD_BUFFER_BYTES)) {
    this.bytes = bytes;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Records written so far. */
  get recordCount(): number {
    return this.#records;
  }

  /** The topic takes no longer lines, in the file's bytes: what is longer is to be split. */
  get lineBytesMax(): number {
    return this.#lineBytesMax;
  }

  get remaining(): number {
    return Math.max(0, this.#target - this.#length);
  }

  /** A first record always has room, whatever the target: the longest line is shorter than the buffer. */
  hasRoom(bytes: number): boolean {
    if (this.#records === 0) return bytes <= this.bytes.length;
    return this.#length + bytes <= this.#target;
  }

  /** What all records together may fill; a first one may fill the buffer. */
  get bytesMax(): number {
    return this.#target;
  }

  /** Tells that `records` were written, up to `end`. */
  append(end: number, records = 1): void {
    this.#length = end;
    this.#records += records;
  }

  /** Empties the buffer for another batch of at most `targetBytes`, of lines of at most `lineBytesMax`. */
  reset(targetBytes = RECORD_BYTES_MAX, lineBytesMax = Number.POSITIVE_INFINITY): void {
    this.#lineBytesMax = lineBytesMax;
    this.#length = 0;
    this.#records = 0;
    this.#target = Math.min(targetBytes, RECORD_BYTES_MAX);
  }

  /** The written bytes; valid until the next reset. */
  view(): Buffer {
    return this.bytes.subarray(0, this.#length);
  }
}
