/** Agents of few versions make up a fleet. */
const KEPT_MAX = 100;

const kept = new Map<string, readonly string[]>();

/** The same list for all agents that can do the same: there are thousands. */
export function sharedCapabilities(list: readonly string[]): readonly string[] {
  const key = list.join('\n');
  const known = kept.get(key);
  if (known) return known;
  if (kept.size < KEPT_MAX) kept.set(key, list);
  return list;
}
