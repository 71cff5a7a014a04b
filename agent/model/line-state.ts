/**
 * What a position in a generation lies in the middle of. The numbers are stored on disk with
 * intents and checkpoints, so they never change.
 * - lineStart: nothing; a line begins here.
 * - line: a line whose beginning was sent as a record of its own.
 * - skipped: a line whose rest is dropped by the entry's policy for long lines.
 * - group: a line begins here; earlier lines of the same multiline record were sent as a record.
 * - filtered, filteredGroup: as skipped and group, but the filter excluded what came before, so
 *   nothing is lost.
 * - skippedGroup: as skipped, but the line would have continued the multiline record before it.
 * - lost: perhaps a line whose beginning is in a loss, because its file was not found. Its rest is
 *   lost, too. If the file shows that a line begins here, the state becomes lineStart.
 */
export const lineStates = {
  lineStart: 0,
  line: 1,
  skipped: 2,
  group: 3,
  filtered: 4,
  filteredGroup: 5,
  skippedGroup: 6,
  lost: 7,
} as const;
export type LineState = (typeof lineStates)[keyof typeof lineStates];

const PASSED_OVER: readonly LineState[] = [
  lineStates.skipped,
  lineStates.filtered,
  lineStates.skippedGroup,
  lineStates.lost,
];

/** Whether the rest of the line is dropped: reading resumes at the next line. */
export function isPassedOver(state: LineState): boolean {
  return PASSED_OVER.includes(state);
}

/**
 * The state in which the last record before `state` ended, so that a re-read gives it the same
 * flags.
 */
export function recordEndBefore(state: LineState): LineState {
  return state === lineStates.filteredGroup || state === lineStates.skippedGroup ? lineStates.group : state;
}
