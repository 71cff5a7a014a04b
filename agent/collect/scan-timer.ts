import type { EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';

/** A scan that takes longer is logged while it runs. */
const LONG_SCAN_MS = 30_000;

/** In whole seconds, so that short scans cause no reports. */
export type ScanTimes = Pick<EntryStatus, 'lastScanSeconds' | 'runningScanSeconds'>;

/** How long the scans of an entry take. */
export class ScanTimer {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #startMs: number | undefined;
  #lastMs = 0;

  constructor({ clock, logger }: { clock: Clock; logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  get times(): ScanTimes {
    const runningMs = this.#startMs === undefined ? 0 : this.#clock.monotonicMs() - this.#startMs;
    return { lastScanSeconds: Math.floor(this.#lastMs / 1000), runningScanSeconds: Math.floor(runningMs / 1000) };
  }

  /** Runs a scan of `entry`. */
  async time<Result>(entry: string, scan: () => Promise<Result>): Promise<Result> {
    const startMs = this.#clock.monotonicMs();
    this.#startMs = startMs;
    const cancelLog = this.#clock.after(LONG_SCAN_MS, () => this.#logLong(entry));
    try {
      return await scan();
    } finally {
      cancelLog();
      this.#startMs = undefined;
      this.#lastMs = this.#clock.monotonicMs() - startMs;
    }
  }

  #logLong(entry: string): void {
    const remedy =
      'check for a file system that does not respond; narrow "paths", exclude folders, or set "follow_links: false"';
    this.#logger.warn('a scan for files takes long', { entry, remedy });
  }
}
