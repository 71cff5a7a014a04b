/** A clock that moves only when told to. Timers fire as it moves. */
export class HandClock {
  ms = 0;
  readonly #timers = new Set<{ atMs: number; then: () => void }>();

  nowMs = () => this.ms;
  monotonicMs = () => this.ms;
  sleep = async () => {};
  after = (ms: number, then: () => void) => {
    const timer = { atMs: this.ms + ms, then };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get timers(): number {
    return this.#timers.size;
  }

  /** Moves to that time, from timer to timer. */
  runTo(endMs: number): void {
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (!next || next.atMs > endMs) break;
      this.ms = next.atMs;
      this.#timers.delete(next);
      next.then();
    }
    this.ms = endMs;
  }
}
