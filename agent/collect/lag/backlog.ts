/** The most marks that are kept. One more merges the two neighbours that are closest in time. */
const MARKS_MAX = 16;
/** Growth this soon after the last mark is added to that mark. */
const GRAIN_MS = 100;

/**
 * Since when a file has unread bytes. A mark is an end of the file and when it was first seen
 * there. A byte's age is never understated, and overstated by at most the distance of two marks.
 */
export class Backlog {
  readonly #ends: number[] = [];
  readonly #times: number[] = [];

  /** Notes that the file grew to `end`. `nowMs`: monotonic. */
  fileGrew(end: number, nowMs: number): void {
    const last = this.#ends.length - 1;
    if (last >= 0 && nowMs - (this.#times[last] as number) < GRAIN_MS) {
      this.#ends[last] = end;
      return;
    }
    this.#ends.push(end);
    this.#times.push(nowMs);
    if (this.#ends.length > MARKS_MAX) this.#merge();
  }

  /**
   * When the oldest byte after `position` was first seen; undefined if there is none. `position`
   * never decreases.
   */
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
    // The later bytes get the age of the earlier ones.
    this.#ends.splice(closest, 1);
    this.#times.splice(closest + 1, 1);
  }

  #gap(at: number): number {
    return (this.#times[at + 1] as number) - (this.#times[at] as number);
  }
}
