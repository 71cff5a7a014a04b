const WINDOW_MS = 60_000;

/**
 * Estimates how far an agent's clock is ahead of ours, from the times in its reports. The time a
 * report takes to arrive makes the agent's clock look slow. So the report that arrived fastest in
 * the last one or two windows gives the best estimate.
 */
export class ClockSkew {
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #current = Number.NEGATIVE_INFINITY;
  #previous = Number.NEGATIVE_INFINITY;

  /** Adds a report that was made at `madeMs` by the agent's clock. */
  add(madeMs: number, nowMs: number): void {
    if (Math.abs(nowMs - this.#windowStartMs) >= WINDOW_MS) {
      [this.#previous, this.#current] = [this.#current, Number.NEGATIVE_INFINITY];
      this.#windowStartMs = nowMs;
    }
    this.#current = Math.max(this.#current, madeMs - nowMs);
  }

  /** 0 before the first report. */
  get ms(): number {
    const most = Math.max(this.#current, this.#previous);
    return Number.isFinite(most) ? most : 0;
  }
}
