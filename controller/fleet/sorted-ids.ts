/** The index of the first id that sorts after `id`. */
export function indexAfter(ids: readonly string[], id: string): number {
  let [from, to] = [0, ids.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((ids[middle] as string) <= id) from = middle + 1;
    else to = middle;
  }
  return from;
}
