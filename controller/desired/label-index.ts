import type { Selector } from '../../proto/rules/selector.ts';

/** Finds items by their labels. */
export class LabelIndex<Item extends { readonly labels: Readonly<Record<string, string>> }> {
  readonly #all = new Set<Item>();
  readonly #byLabel = new Map<string, Set<Item>>();

  add(item: Item): void {
    this.#all.add(item);
    for (const label of labelsOf(item)) {
      const items = this.#byLabel.get(label);
      if (items) items.add(item);
      else this.#byLabel.set(label, new Set([item]));
    }
  }

  delete(item: Item): void {
    this.#all.delete(item);
    for (const label of labelsOf(item)) {
      const items = this.#byLabel.get(label);
      items?.delete(item);
      if (items?.size === 0) this.#byLabel.delete(label);
    }
  }

  /** A superset of the items that the selector matches: those of its most specific requirement. */
  candidates({ requiredLabels }: Selector): Iterable<Item> {
    let best: Set<Item>[] | undefined;
    let fewest = this.#all.size;
    for (const { key, values } of requiredLabels) {
      const sets = [...new Set(values)].flatMap((value) => this.#byLabel.get(`${key}=${value}`) ?? []);
      const size = sets.reduce((sum, items) => sum + items.size, 0);
      if (size < fewest) [best, fewest] = [sets, size];
    }
    return best ? best.flatMap((items) => [...items]) : this.#all;
  }
}

function labelsOf({ labels }: { readonly labels: Readonly<Record<string, string>> }): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}
