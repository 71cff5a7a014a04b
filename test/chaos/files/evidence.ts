import type { Uptime } from './agent.ts';
import type { Life } from './life.ts';
import type { PlanSettings } from './plan.ts';

/** A record as an independent client reads it. */
export interface TopicRecord {
  partition: number;
  offset: bigint;
  /** When the agent read it, Unix time. */
  timestampMs: number;
  value: Buffer;
  headers: Readonly<Record<string, string>>;
}

/** A fact of the audit topic. */
export interface AuditFact {
  id: string;
  kind: string;
  generation: string;
  path: string;
  time: string;
  start?: number;
  end?: number;
  bytes?: number;
  openEnded?: boolean;
  reason?: string;
  first?: number;
  size?: number;
}

/** All that the oracle judges by: the writer's truth, and what arrived. */
export interface Evidence {
  settings: PlanSettings;
  lives: readonly Life[];
  uptimes: readonly Uptime[];
  records: readonly TopicRecord[];
  facts: readonly AuditFact[];
  /** When the agent was started first, ms, monotonic. */
  firstStartMs: number;
  endMs: number;
  /** What to add to a monotonic time to get the Unix time, ms. */
  toUnixMs: number;
}

/**
 * What went wrong, by kind. A shrunk plan must show one of the kinds of the original.
 *
 * lost: a due line is neither in the topic nor in a loss · doubled: a line arrived twice · torn: a
 * record is no line of its file · mixed: a generation has lines of two contents · range: a range
 * covers more than its line · nul: NULs that nobody wrote were sent · foreign: bytes that are no
 * lines were sent · order, hole, overlap: the ranges of a generation are not in order, or don't
 * tile · false-loss: a loss of what was delivered or still exists · loss-size: a loss of another
 * size · sealed: a sealed generation is incomplete · early: a line before `start: end` was sent ·
 * verify: `logfleet verify` disagrees · process: the agent ended, or logged an error without a
 * cause · unreported: a path that can't be read is not reported
 */
export type ViolationKind =
  | 'lost'
  | 'doubled'
  | 'torn'
  | 'mixed'
  | 'range'
  | 'nul'
  | 'foreign'
  | 'order'
  | 'hole'
  | 'overlap'
  | 'false-loss'
  | 'loss-size'
  | 'sealed'
  | 'early'
  | 'verify'
  | 'process'
  | 'unreported';

export interface Violation {
  kind: ViolationKind;
  text: string;
}
