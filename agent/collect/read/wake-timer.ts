import type { Clock } from '../../../runtime/clock.ts';

/**
 * Wakes a source once, when lines have waited long enough for more lines of their multiline record.
 */
export class WakeTimer {
  readonly #clock: Clock;
  readonly #wake: () => void;
  #waiting: AbortController | undefined;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Wakes in `ms`. Does nothing if a wake is already scheduled. */
  start(ms: number): void {
    if (this.#waiting) return;
    const waiting = new AbortController();
    this.#waiting = waiting;
    const over = () => {
      this.#waiting = undefined;
      if (!waiting.signal.aborted) this.#wake();
    };
    this.#clock.sleep(ms, waiting.signal).then(over, over);
  }

  stop(): void {
    this.#waiting?.abort();
  }
}
