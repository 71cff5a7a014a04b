/** As many points in time as are kept: then neighbours that are the closest are one. */
const MARKS_MAX = 16;
/** What is seen so soon after the last is taken for that. */
const GRAIN_MS = 100;

/**
 * Since when a file has unread bytes: the ends of what was seen of it at once, and when each was first seen. A byte is never taken to be
 * younger than it is, and no more than two marks' distance older.
 */
export class Backlog {
  readonly #ends: number[] = [];
  readonly #times: number[] = [];

  /** The file was seen to reach to `end`, further than before. */
  grew(end: number, nowMs: number): void {
    const last = this.#ends.length - 1;
    if (last >= 0 && nowMs - (this.#times[last] as number) < GRAIN_MS) {
      this.#ends[last] = end;
      return;
    }
    this.#ends.push(end);
    this.#times.push(nowMs);
    if (this.#ends.length > MARKS_MAX) this.#merge();
  }

  /** When the oldest byte behind `position`, which never goes back, was first seen; undefined when there is none. */
  sinceMs(position: number): number | undefined {
    const read = this.#ends.findIndex((end) => end > position);
    const dropped = read < 0 ? this.#ends.length : read;
    if (dropped > 0) {
      this.#ends.splice(0, dropped);
      this.#times.splice(0, dropped);
    }
    return this.#times[0];
  }

  #merge(): void {
    let closest = 0;
    for (let at = 1; at < this.#times.length - 1; at++) if (this.#gap(at) < this.#gap(closest)) closest = at;
    // The later bytes are told to be as old as the earlier ones.
    this.#ends.splice(closest, 1);
    this.#times.splice(closest + 1, 1);
  }

  #gap(at: number): number {
    return (this.#times[at + 1] as number) - (this.#times[at] as number);
  }
}
