/** The most times kept for a path, and the most deletions: the last ones describe the present. */
const TIMES_KEPT = 4;
const PATHS_MAX = 10_000;

/** When a path was truncated, and whether its unread lines are read from a copy. */
interface Truncations {
  times: number[];
  copied: boolean;
}

/** A file that was deleted before it was read: when (monotonic), and the bytes that it holds. */
export interface Deletion {
  timeMs: number;
  bytes: number;
}

/**
 * How often the files of one entry are rotated, as this process has seen it. It is kept in memory
 * only: nobody knows what happened while no process ran.
 */
export class Rotations {
  readonly #truncations = new Map<string, Truncations>();
  readonly #deletions: Deletion[] = [];

  recordTruncation(path: string, nowMs: number): void {
    const times = [...(this.#truncations.get(path)?.times ?? []), nowMs].slice(-TIMES_KEPT);
    // Re-insert: a Map's order makes the most recent one last.
    this.#truncations.delete(path);
    this.#truncations.set(path, { times, copied: false });
    const [oldest] = this.#truncations.keys();
    if (this.#truncations.size > PATHS_MAX && oldest !== undefined) this.#truncations.delete(oldest);
  }

  /** Notes that the lines truncated at `path` are read from a copy: nothing is lost. */
  recordCopy(path: string): void {
    const known = this.#truncations.get(path);
    if (known) known.copied = true;
  }

  recordDeletion(bytes: number, timeMs: number): void {
    this.#deletions.push({ timeMs, bytes });
    if (this.#deletions.length > TIMES_KEPT) this.#deletions.shift();
  }

  /** When the path was truncated with a loss of unread lines, monotonic. */
  lossTimesAt(path: string): readonly number[] {
    const known = this.#truncations.get(path);
    return known && !known.copied ? known.times : [];
  }

  get deletions(): readonly Deletion[] {
    return this.#deletions;
  }
}
