/** Why bytes of a generation can never be delivered. */
export type LossReason =
  /** The file was truncated or rewritten before they were read. */
  | 'truncated'
  /** The file was deleted before they were read. */
  | 'vanished'
  /** Keeping the file open would have exceeded the budget of disk space or open files. */
  | 'budget'
  /** The entry's policy for long lines cut them off. */
  | 'too-long'
  /** Kafka refuses a record of this size. */
  | 'too-large'
  /** The entry no longer matches the file. */
  | 'unassigned';

/** Why the agent began to read a generation after its first byte. */
export type BeginReason =
  /** The file existed before the entry did, and the entry's `start` skips what it had then. */
  | 'start'
  /** The file is a copy of one that was truncated, and these bytes were read from the original. */
  | 'copy'
  /** A release that did not record reasons began it. */
  | 'unknown';

/** The generation that a fact is about. */
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
  /** How many bytes are lost, if some lines between `start` and `end` are not. */
  bytes?: number;
  /** Whether there may have been more bytes after `end`, which nobody saw. */
  openEnded: boolean;
  reason: LossReason;
}

/** The agent reads a generation from `first` on, which is not 0. Bytes before it are never read. */
export interface Begun extends FactSubject {
  first: number;
  reason: BeginReason;
}

/** A generation is complete: Kafka has all of `[first, size)` except reported losses. */
export interface Sealed extends FactSubject {
  /** The position at which the agent began to read. */
  first: number;
  size: number;
  /** Where the last record ends. Bytes after it are lost or were filtered out. */
  recordsEnd: number;
}

/**
 * Records facts. A fact becomes durable with the next flush of the state, in the same transaction
 * as the positions noted with it.
 */
export interface FactLog {
  begun(begun: Begun): void;
  loss(loss: Loss): void;
  sealed(sealed: Sealed): void;
}

/**
 * A fact as it is stored and reported. Its id depends only on its content, so repeats are
 * recognised.
 */
export type Fact = { id: string; timeMs: number; entry: string } & (
  | ({ kind: 'begun' } & Begun)
  | ({ kind: 'loss' } & Loss)
  | ({ kind: 'sealed' } & Sealed)
);

/** Totals of one entry on this agent since its state was created. */
export interface FactTotals {
  losses: number;
  lostBytes: number;
  sealedFiles: number;
}

/** The facts that are not in the audit topic yet. */
export interface FactQueue {
  /** The oldest durable ones, at most `count`. */
  unaudited(count: number): Fact[];
  /** Marks facts as acknowledged by the audit topic. */
  markAudited(ids: Iterable<string>): void;
  /** How many were given up since the state was created, because too many waited. */
  readonly givenUpCount: number;
  /** Calls `listener` whenever there may be more. */
  onAdded(listener: () => void): void;
}
