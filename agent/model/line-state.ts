/**
 * What a position of a generation is in the middle of. The numbers are kept on the disk with the intents, so they stay.
 * - lineStart: of nothing: a line begins here.
 * - line: a line whose beginning has gone as a record of its own.
 * - skipped: a line that is not wanted, or no longer.
 * - group: a line begins here; those before it, of the same multiline record, have gone as a record of their own.
 * - filtered, filteredGroup: the same as skipped and group, where the filter did not keep what was before; nothing of it is lost.
 * - skippedGroup: the same as skipped, where the line would have gone on with the multiline record before it.
 */
export const places = {
  lineStart: 0,
  line: 1,
  skipped: 2,
  group: 3,
  filtered: 4,
  filteredGroup: 5,
  skippedGroup: 6,
} as const;
export type Place = (typeof places)[keyof typeof places];

/** Nothing is read before the next line begins. */
export function isPassedOver(place: Place): boolean {
  return place === places.skipped || place === places.filtered || place === places.skippedGroup;
}

/** What the last record before `place` ends in the middle of, so that it is written with the same flags again. */
export function endBefore(place: Place): Place {
  return place === places.filteredGroup || place === places.skippedGroup ? places.group : place;
}
