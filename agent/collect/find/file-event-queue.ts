import type { Clock } from '../../../runtime/clock.ts';
import { Slices } from '../../../runtime/slices.ts';

/** Events of the same moment are handled together. */
const SETTLE_MS = 1;
/** How often a file that is written continuously is handled. */
const INTERVAL_MS = 50;

/** The file events of one entry. The first is handled at once; bursts are merged by path. */
export class FileEventQueue {
  readonly #clock: Clock;
  readonly #handle: (path: string, renamed: boolean) => void;
  #pending = new Map<string, boolean>();
  #handling = false;

  /** `handle` never throws. */
  constructor(clock: Clock, handle: (path: string, renamed: boolean) => void) {
    this.#clock = clock;
    this.#handle = handle;
  }

  add(path: string, renamed: boolean): void {
    this.#pending.set(path, renamed || this.#pending.get(path) === true);
    if (this.#handling) return;
    this.#handling = true;
    void this.#handleAll();
  }

  async #handleAll(): Promise<void> {
    await this.#clock.sleep(SETTLE_MS);
    while (this.#pending.size > 0) {
      const events = this.#pending;
      this.#pending = new Map();
      const slices = new Slices();
      for (const [path, renamed] of events) {
        this.#handle(path, renamed);
        if (slices.isOver) await slices.startNext();
      }
      await this.#clock.sleep(INTERVAL_MS);
    }
    this.#handling = false;
  }
}
