const WINDOW_MS = 60_000;

/**
 * By how much an agent's clock is ahead of ours, by when it says that it made its reports. Each was on its way for some time, which makes
 * the clock look slower than it is: the one that came the fastest, of the last one or two windows, says most.
 */
export class ClockSkew {
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #current = Number.NEGATIVE_INFINITY;
  #former = Number.NEGATIVE_INFINITY;

  /** A report that was made at `madeMs` has come. */
  add(madeMs: number, nowMs: number): void {
    if (Math.abs(nowMs - this.#windowStartMs) >= WINDOW_MS) {
      [this.#former, this.#current] = [this.#current, Number.NEGATIVE_INFINITY];
      this.#windowStartMs = nowMs;
    }
    this.#current = Math.max(this.#current, madeMs - nowMs);
  }

  /** 0 as long as no report has come. */
  get ms(): number {
    const most = Math.max(this.#current, this.#former);
    return Number.isFinite(most) ? most : 0;
  }
}
