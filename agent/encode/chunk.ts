import type { LineState } from '../model/line-state.ts';

export interface Chunk {
  bytes: Buffer;
  /** How many of `bytes` were read. */
  length: number;
  /** Where the chunk's first byte is in its generation. */
  position: number;
  /** Where the first record's range begins: before `position` when what lies between was skipped. */
  rangeStart: number;
  /** Never `skipped` or `filtered`: the rest of such a line is passed over before. */
  startState: LineState;
  /** Nothing follows: the generation ends with this chunk, or it is read again up to where a batch ended. */
  isLast: boolean;
  /** When it is read again: what its last record's end was in the middle of then. */
  endState: LineState;
  /** What there is of a multiline record is all of it: nothing came for a while. */
  isFlushed: boolean;
}
