import type { ByteRange } from '../state/checkpoint-store.ts';

/**
 * A position that only ever advances over what is there without a gap: ranges may be told in any order, as when two
 * topics or two batches are acknowledged side by side.
 */
export class ContiguousPosition {
  #value: number;
  /** In order, apart from each other and from `#value`. */
  #ahead: readonly ByteRange[] = [];

  constructor(value: number, ahead: readonly ByteRange[] = []) {
    this.#value = value;
    for (const [start, end] of ahead) this.cover(start, end);
  }

  get value(): number {
    return this.#value;
  }

  /** What is there beyond the first gap, in order. */
  get ahead(): readonly ByteRange[] {
    return this.#ahead;
  }

  /** Tells that `[start, end)` is there. */
  cover(start: number, end: number): void {
    if (start > this.#value) {
      this.#ahead = merged([...this.#ahead, [start, end]]);
      return;
    }
    this.#value = Math.max(this.#value, end);
    while (this.#ahead[0] && this.#ahead[0][0] <= this.#value) {
      this.#value = Math.max(this.#value, this.#ahead[0][1]);
      this.#ahead = this.#ahead.slice(1);
    }
  }
}

/** The gaps that `ranges`, in whatever order, leave from `from` on, and where the last of them ends. */
export function gapsIn(ranges: readonly ByteRange[], from: number): { gaps: ByteRange[]; end: number } {
  const gaps: ByteRange[] = [];
  let end = from;
  for (const range of merged(ranges)) {
    if (range[0] > end) gaps.push([end, range[0]]);
    end = Math.max(end, range[1]);
  }
  return { gaps, end };
}

function merged(ranges: readonly ByteRange[]): ByteRange[] {
  const result: [number, number][] = [];
  for (const [start, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else result.push([start, end]);
  }
  return result;
}
