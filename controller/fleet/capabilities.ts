/** The agents of a fleet have few versions. */
const LISTS_MAX = 100;

const shared = new Map<string, readonly string[]>();

/** Returns one list for all agents with the same capabilities, to save memory. */
export function sharedCapabilities(list: readonly string[]): readonly string[] {
  const key = list.join('\n');
  const known = shared.get(key);
  if (known) return known;
  if (shared.size < LISTS_MAX) shared.set(key, list);
  return list;
}
