import type { LineState } from '../model/line-state.ts';

/** A part of a file, as the line encoder gets it. */
export interface Chunk {
  bytes: Buffer;
  /** The number of bytes that were read into `bytes`. */
  length: number;
  /** The position of the first byte in its generation. */
  position: number;
  /** Where the first record's range begins: before `position` if bytes were skipped. */
  rangeStart: number;
  /** Never `skipped` or `filtered`: the caller skips the rest of such a line. */
  startState: LineState;
  /**
   * The generation ends with this chunk, or the chunk is read again up to where a batch ended.
   */
  isLast: boolean;
  /** In a re-read: what the end of its last record lay in the middle of. */
  endState: LineState;
  /** The timeout of multiline records has passed: an incomplete record is taken as complete. */
  isFlushed: boolean;
}
