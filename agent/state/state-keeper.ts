import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { StateDatabase } from './state-database.ts';

/** Acknowledged positions reach the disk this often. */
const FLUSH_INTERVAL_MS = 250;

/** Writes the state again and again, and says what keeps it from being written. */
export class StateKeeper {
  readonly #state: StateDatabase;
  readonly #tools: { clock: Clock; logger: Logger; onChange: () => void };
  #keeping: Promise<void> | undefined;
  #error = '';

  constructor(state: StateDatabase, tools: { clock: Clock; logger: Logger; onChange: () => void }) {
    this.#state = state;
    this.#tools = tools;
  }

  /** Why the state can't be written, for a person; empty when it can. */
  get error(): string {
    return this.#error;
  }

  start(signal: AbortSignal): void {
    this.#keeping = this.#keep(signal);
  }

  /** Writes all that is noted. Throws StateError. */
  flush(): void {
    this.#state.flush(this.#tools.clock.nowMs());
  }

  /** After `start`'s signal: writes the rest, and closes the state. */
  async close(): Promise<void> {
    await this.#keeping;
    this.flush();
    this.#state.close();
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const { clock, logger, onChange } = this.#tools;
    while (!signal.aborted) {
      const former = this.#error;
      try {
        this.flush();
        await this.#state.copy(clock.nowMs());
        this.#error = '';
      } catch (error) {
        this.#error = errorText(error);
        if (!former) logger.error("the agent's state can't be written", { error: this.#error });
      }
      if (former !== this.#error) onChange();
      await clock.sleep(FLUSH_INTERVAL_MS, signal).catch(() => {});
    }
  }
}
