import { setImmediate as nextTurn } from 'node:timers/promises';

/** Long enough to do some work, and short compared with a request to Kafka. */
const SLICE_MS = 5;

/**
 * Divides work on thousands of files into slices. Between two slices the event loop delivers lines.
 */
export class Slices {
  #sinceMs = performance.now();

  /** Whether the current slice has used its time. The caller then awaits `startNext`. */
  get isOver(): boolean {
    return performance.now() - this.#sinceMs > SLICE_MS;
  }

  /** Lets the event loop run, then begins the next slice. */
  async startNext(): Promise<void> {
    await nextTurn();
    this.#sinceMs = performance.now();
  }
}
