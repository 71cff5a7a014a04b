import { RECORD_BYTES_MAX } from '../encode/record-buffer.ts';

/** Batches are never made smaller than this. */
export const BATCH_BYTES_MIN = 1_024;
/**
 * Lines are never split into smaller parts. A topic that accepts no such record does not get it.
 */
const LINE_BYTES_MIN = 1_024;

/**
 * The sizes that a topic has accepted so far: they shrink when it refuses a batch, and never grow.
 */
export class SizeLimits {
  #batchBytesMax = RECORD_BYTES_MAX;
  #lineBytesMax = Number.POSITIVE_INFINITY;

  /** Of a batch's records, before compression. */
  get batchBytesMax(): number {
    return this.#batchBytesMax;
  }

  /** Of a line in its file. */
  get lineBytesMax(): number {
    return this.#lineBytesMax;
  }

  /** Halves batches after one of `refusedBytes` was refused. Returns whether that is a change. */
  shrinkBatches(refusedBytes: number): boolean {
    const smaller = Math.max(BATCH_BYTES_MIN, Math.floor(refusedBytes / 2));
    if (smaller >= this.#batchBytesMax) return false;
    this.#batchBytesMax = smaller;
    return true;
  }

  /**
   * Halves lines after a record of `refusedBytes` was refused, which was read with `lineBytesMax`.
   * - `smallest`: it was as small as a record can be, so its line must be given up.
   * - `unchanged`: the limit was lowered already.
   */
  shrinkLines(refusedBytes: number, lineBytesMax: number): 'smaller' | 'unchanged' | 'smallest' {
    if (lineBytesMax <= LINE_BYTES_MIN) return 'smallest';
    const smaller = Math.max(LINE_BYTES_MIN, Math.floor(Math.min(refusedBytes, lineBytesMax) / 2));
    if (smaller >= this.#lineBytesMax) return 'unchanged';
    this.#lineBytesMax = smaller;
    return 'smaller';
  }
}
