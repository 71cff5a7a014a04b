import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { StateDatabase } from './state-database.ts';

/** How often acknowledged positions are written to the disk. */
const FLUSH_INTERVAL_MS = 250;

export interface StateKeeperDependencies {
  clock: Clock;
  logger: Logger;
  /** `error` has changed. */
  onChange: () => void;
}

/** Flushes the state periodically and reports if it can't be written. */
export class StateKeeper {
  readonly #state: StateDatabase;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onErrorChange: () => void;
  #keeping: Promise<void> | undefined;
  #error = '';

  constructor(state: StateDatabase, { clock, logger, onChange }: StateKeeperDependencies) {
    this.#state = state;
    this.#clock = clock;
    this.#logger = logger;
    this.#onErrorChange = onChange;
  }

  /** Why the state can't be written, for operators; empty if it can. */
  get error(): string {
    return this.#error;
  }

  start(signal: AbortSignal): void {
    this.#keeping = this.#keep(signal);
  }

  /** Writes all noted changes. Throws StateError. */
  flush(): void {
    this.#state.flush(this.#clock.nowMs());
  }

  /** Call it after `start`'s signal: writes the noted changes and closes the state. */
  async close(): Promise<void> {
    await this.#keeping;
    this.flush();
    this.#state.close();
  }

  async #keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const previous = this.#error;
      try {
        this.flush();
        await this.#state.copy(this.#clock.nowMs());
        this.#error = '';
      } catch (error) {
        this.#error = errorText(error);
        if (!previous) this.#logger.error("the agent's state can't be written", { error: this.#error });
      }
      if (previous !== this.#error) this.#onErrorChange();
      await this.#clock.sleep(FLUSH_INTERVAL_MS, signal).catch(() => {});
    }
  }
}
