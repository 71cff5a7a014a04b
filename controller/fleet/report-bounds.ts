import type { Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { invalidArgument } from '../errors/api-error.ts';

/** In the long run; an agent makes one every some seconds, and one soon after each change. */
const COST_MS = { report: 20, answer: 1 } as const;
/** A hundred thousand files come as a hundred reports. */
const BURST_MS = 4_000;
/** Characters of all that is kept of one agent; a hundred thousand files with paths of 150 have some 30 million. */
const KEPT_CHARS_MAX = 64 * 1024 * 1024;
/** What is kept is counted again when so much has come. */
const RECOUNT_CHARS = KEPT_CHARS_MAX / 2;

/** What is kept of the reports of a stream. */
export type Kept = Pick<Report, 'entries' | 'files' | 'facts'>;

/**
 * What one agent's stream may cost. One that tells too often is not read for a while, so that its messages wait at the agent and the others
 * are heard; one that tells too much is ended.
 */
export class ReportBounds {
  readonly #clock: Clock;
  /** What has been told is paid for by then. */
  #paidMs = Number.NEGATIVE_INFINITY;
  #chars = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For how long nothing more is to be read, now that another message has come. */
  pauseMs(kind: keyof typeof COST_MS): number {
    const nowMs = this.#clock.monotonicMs();
    this.#paidMs = Math.max(this.#paidMs, nowMs - BURST_MS) + COST_MS[kind];
    return Math.max(0, this.#paidMs - nowMs);
  }

  /** To be called when a report has been taken. Throws INVALID_ARGUMENT when all that is `kept` is too much. */
  weigh(report: Report, kept: Kept): void {
    this.#chars += charsOf(report);
    if (this.#chars <= RECOUNT_CHARS) return;
    this.#chars = 0;
    if (charsOf(kept) <= KEPT_CHARS_MAX) return;
    const description = `names, paths and errors have more than ${KEPT_CHARS_MAX} characters in all: collect fewer files with one agent`;
    throw invalidArgument([{ field: 'report', description }]);
  }
}

function charsOf({ entries, files, facts }: Kept): number {
  let chars = 0;
  for (const { entry, error } of entries) chars += entry.length + error.length;
  for (const { id, path, lastError } of files) chars += id.length + path.length + lastError.length;
  for (const { id, path } of facts) chars += id.length + path.length;
  return chars;
}
