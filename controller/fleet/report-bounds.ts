import type { Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { invalidArgument } from '../errors/api-error.ts';

/**
 * The average time between messages. An agent reports every few seconds and soon after a change.
 */
const COST_MS = { report: 20, answer: 1 } as const;
/** A hundred thousand files arrive in a hundred reports. */
const BURST_MS = 4_000;
/**
 * Characters kept of one agent. A hundred thousand files with paths of 150 have about 30 million.
 */
const KEPT_CHARS_MAX = 64 * 1024 * 1024;
/** Reported characters after which the kept ones are counted again. */
const RECOUNT_CHARS = KEPT_CHARS_MAX / 2;

/** What is kept of an agent's reports. */
export type KeptReport = Pick<Report, 'entries' | 'files' | 'facts'>;

/**
 * Limits what one agent's stream may cost. If it sends too often, it is not read for a while: its
 * messages wait at the agent, and other agents are read. If it reports too much, it is ended.
 */
export class ReportBounds {
  readonly #clock: Clock;
  /** The time at which the messages received so far are paid for. */
  #paidMs = Number.NEGATIVE_INFINITY;
  #chars = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long to pause reading after a message. */
  pauseMs(kind: keyof typeof COST_MS): number {
    const nowMs = this.#clock.monotonicMs();
    this.#paidMs = Math.max(this.#paidMs, nowMs - BURST_MS) + COST_MS[kind];
    return Math.max(0, this.#paidMs - nowMs);
  }

  /** Call it after each report. Throws INVALID_ARGUMENT when `kept` is too large. */
  checkSize(report: Report, kept: KeptReport): void {
    this.#chars += countChars(report);
    if (this.#chars <= RECOUNT_CHARS) return;
    this.#chars = 0;
    if (countChars(kept) <= KEPT_CHARS_MAX) return;
    const description = `names, paths and errors have more than ${KEPT_CHARS_MAX} characters in all: collect fewer files with one agent`;
    throw invalidArgument([{ field: 'report', description }]);
  }
}

function countChars({ entries, files, facts }: KeptReport): number {
  let chars = 0;
  for (const { entry, error } of entries) chars += entry.length + error.length;
  for (const { id, path, lastError } of files) chars += id.length + path.length + lastError.length;
  for (const { id, path } of facts) chars += id.length + path.length;
  return chars;
}
