import { setImmediate as othersGoOn } from 'node:timers/promises';

/** Long enough to be worth it, and short beside the time that a request to Kafka takes. */
const SLICE_MS = 5;

/** Cuts work over thousands of files into slices, so that delivery goes on between them. */
export class Slices {
  #sinceMs = performance.now();

  /** Whether it is time to let others go on, by `next`. */
  get over(): boolean {
    return performance.now() - this.#sinceMs > SLICE_MS;
  }

  async next(): Promise<void> {
    await othersGoOn();
    this.#sinceMs = performance.now();
  }
}
