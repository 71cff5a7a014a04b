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
  /** Where the last record ends: what lies behind is lost, or was filtered out. */
  recordsEnd: number;
}

/** Where facts are told. What is told is durable with the next flush of the state, together with what was noted beside it. */
export interface FactLog {
  loss(loss: Loss): void;
  sealed(sealed: Sealed): void;
}

/** A fact as it is kept and told. The same fact has the same id, whenever and however often it is told. */
export type Fact = { id: string; timeMs: number; entry: string } & (
  | ({ kind: 'loss' } & Loss)
  | ({ kind: 'sealed' } & Sealed)
);

/** All facts of one entry on this agent, since the state was made. */
export interface FactTotals {
  losses: number;
  lostBytes: number;
  sealedFiles: number;
}

/** The facts that the audit topic does not have yet. */
export interface FactQueue {
  /** The oldest ones that are durable, at most `count`. */
  unaudited(count: number): Fact[];
  /** The topic has them. */
  audited(ids: Iterable<string>): void;
  /** Calls `listener` whenever there may be more. */
  onMore(listener: () => void): void;
}
