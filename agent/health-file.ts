import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.ts';
import { errorText } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Collector } from './collect/collector.ts';
import type { EntriesFile } from './entries-file.ts';
import { writeDurably } from './link/write-durably.ts';

/**
 * `health.json` in the state folder: the health of an agent that runs alone, for people and probes.
 * In a fleet the controller shows it. Written when a state or an error has changed, at most once in
 * `intervalMs`; a changed error of the entries file is written at once.
 */
export class HealthFile {
  readonly #file: string;
  readonly #entries: Pick<EntriesFile, 'error'>;
  readonly #collector: Pick<Collector, 'report' | 'onChange'>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #written = '';
  #lastFailure = '';
  #writing: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;

  constructor(
    stateDir: string,
    { entries, collector }: { entries: Pick<EntriesFile, 'error'>; collector: Pick<Collector, 'report' | 'onChange'> },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#file = join(stateDir, 'health.json');
    this.#entries = entries;
    this.#collector = collector;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** Follows the collector until `close`. */
  start(intervalMs: number): void {
    this.#collector.onChange(() => {
      this.#cancelTimer ??= this.#clock.after(intervalMs, () => {
        this.#cancelTimer = undefined;
        void this.write();
      });
    });
    void this.write();
  }

  write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Deletes the file: it would show the health of a process that has ended. */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = () => {};
    await this.#writing;
    await rm(this.#file, { force: true });
  }

  async #write(): Promise<void> {
    const { health, entries } = this.#collector.report();
    const shown = {
      error: this.#entries.error || health.error,
      entries: entries.map(({ entry, state, error, files, failedFiles }) => ({
        ...{ entry, state, error, files, failed_files: failedFiles },
      })),
    };
    const text = JSON.stringify(shown);
    if (text === this.#written) return;
    try {
      const written = { time: new Date(this.#clock.nowMs()), pid: process.pid, ...shown };
      await writeDurably(this.#file, `${JSON.stringify(written, undefined, 2)}\n`);
      this.#written = text;
      this.#lastFailure = '';
    } catch (error) {
      this.#logFailure(errorText(error));
    }
  }

  #logFailure(error: string): void {
    if (error === this.#lastFailure) return;
    this.#lastFailure = error;
    const remedy = 'make state_dir writable; it is written again with the next change';
    this.#logger.warn('the health file cannot be written', { file: this.#file, error, remedy });
  }
}
