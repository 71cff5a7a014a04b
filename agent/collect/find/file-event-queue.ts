import type { Clock } from '../../../runtime/clock.ts';
import { Slices } from '../../../runtime/slices.ts';

/** What happens at the same moment is looked at together. */
const SETTLE_MS = 1;
/** A file that is written all the time is looked at so often. */
const INTERVAL_MS = 50;

/** Hints of one entry: the first is followed at once, and what comes in swarms is gathered, each path once. */
export class FileEventQueue {
  readonly #clock: Clock;
  readonly #follow: (path: string, renamed: boolean) => void;
  #pending = new Map<string, boolean>();
  #following = false;

  /** `follow` never throws. */
  constructor(clock: Clock, follow: (path: string, renamed: boolean) => void) {
    this.#clock = clock;
    this.#follow = follow;
  }

  add(path: string, renamed: boolean): void {
    this.#pending.set(path, renamed || this.#pending.get(path) === true);
    if (this.#following) return;
    this.#following = true;
    void this.#followAll();
  }

  async #followAll(): Promise<void> {
    await this.#clock.sleep(SETTLE_MS);
    while (this.#pending.size > 0) {
      const hints = this.#pending;
      this.#pending = new Map();
      const slices = new Slices();
      for (const [path, renamed] of hints) {
        this.#follow(path, renamed);
        if (slices.over) await slices.next();
      }
      await this.#clock.sleep(INTERVAL_MS);
    }
    this.#following = false;
  }
}
