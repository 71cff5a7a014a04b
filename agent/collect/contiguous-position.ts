/**
 * A position that only ever advances over what is there without a gap: ranges may be told in any order, as when two
 * topics or two batches are acknowledged side by side.
 */
export class ContiguousPosition {
  readonly #ahead = new Map<number, number>();
  #value: number;

  constructor(value: number) {
    this.#value = value;
  }

  get value(): number {
    return this.#value;
  }

  /** Tells that `[start, end)` is there. */
  cover(start: number, end: number): void {
    this.#ahead.set(start, end);
    for (let next = this.#ahead.get(this.#value); next !== undefined; next = this.#ahead.get(this.#value)) {
      this.#ahead.delete(this.#value);
      this.#value = next;
    }
  }
}
