/** So many are kept of each path, or of the deleted files: the last ones say how it is now. */
const TIMES_KEPT = 4;
const PATHS_MAX = 10_000;

/** How a path is truncated: when, and whether its lines go on in a copy. */
interface Truncations {
  times: number[];
  copied: boolean;
}

/** Files that were deleted before they were read: when, and the bytes that they hold. */
export interface Deletion {
  timeMs: number;
  bytes: number;
}

/** How often the files of one entry are rotated, as far as this process has seen it. In memory: it says nothing of the time when there was none. */
export class Rotations {
  readonly #truncations = new Map<string, Truncations>();
  readonly #deletions: Deletion[] = [];

  truncated(path: string, nowMs: number): void {
    const times = [...(this.#truncations.get(path)?.times ?? []), nowMs].slice(-TIMES_KEPT);
    // The one that was truncated last is the last one.
    this.#truncations.delete(path);
    this.#truncations.set(path, { times, copied: false });
    const [oldest] = this.#truncations.keys();
    if (this.#truncations.size > PATHS_MAX && oldest !== undefined) this.#truncations.delete(oldest);
  }

  /** What was truncated at `path` is read on in its copy: nothing is lost by it. */
  goesOnInCopy(path: string): void {
    const known = this.#truncations.get(path);
    if (known) known.copied = true;
  }

  deleted(bytes: number, timeMs: number): void {
    this.#deletions.push({ timeMs, bytes });
    if (this.#deletions.length > TIMES_KEPT) this.#deletions.shift();
  }

  /** When the path was truncated, and what was not read by then was lost. */
  lossesAt(path: string): readonly number[] {
    const known = this.#truncations.get(path);
    return known && !known.copied ? known.times : [];
  }

  get deletions(): readonly Deletion[] {
    return this.#deletions;
  }
}
