/** Why bytes of a generation can never be delivered. */
export type LossReason =
  /** The file was truncated, or written anew, before they were read. */
  | 'truncated'
  /** The file was gone before they were read. */
  | 'vanished'
  /** Keeping the file open would have passed the budget of disk space or open files. */
  | 'budget'
  /** The entry's policy cuts lines that are too long. */
  | 'too-long'
  /** Kafka takes no record of this size. */
  | 'too-large'
  /** The entry no longer means the file. */
  | 'unassigned';

/** Which generation a fact is about. */
export interface FactSubject {
  entryUid: string;
  generation: string;
  /** Where the file was last seen. */
  path: string;
}

/** Bytes `[start, end)` of a generation, or `bytes` of them, will never be in Kafka. */
export interface Loss extends FactSubject {
  start: number;
  end: number;
  /** How many, when what was cut off lies between lines that are not lost. */
  bytes?: number;
  /** Whether there may have been more after `end` that nobody saw. */
  openEnded: boolean;
  reason: LossReason;
}

/** A generation is complete: Kafka has all of `[first, size)` but for what losses tell. */
export interface Sealed extends FactSubject {
  /** Where the agent began to read. */
  first: number;
  size: number;
}

/** Where facts are told. What is told is durable with the next flush of the state, together with what was noted beside it. */
export interface FactLog {
  loss(loss: Loss): void;
  sealed(sealed: Sealed): void;
}
