import type { Drain as DrainStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';

const LOOK_INTERVAL_MS = 200;

/** A file, as a drain needs it. */
export interface DrainableFile {
  readonly path: string;
  readonly isClosed: boolean;
  readonly size: number;
  readonly position: number;
  readonly drained: boolean;
  readonly errors: { readonly current: string };
}

/** An entry, as a drain needs it. */
export interface DrainableEntry {
  readonly entry: { name: string; etag: string };
  readonly isPaused: boolean;
  readonly isApplied: boolean;
  readonly error: string;
  readonly fileErrors: ReadonlyMap<string, string>;
  readonly sources: Iterable<DrainableFile>;
  scan(): Promise<void>;
}

/** What a drain needs of the agent. */
export interface DrainTarget {
  /** undefined: not known yet. */
  entries(): Iterable<DrainableEntry> | undefined;
  /** Whether no batch of any entry is unanswered, including stopped entries. */
  isSettled(): boolean;
  /** Stops reading. */
  hold(): void;
  /** Stores the result. Returns what prevents it, for people; empty if nothing does. */
  finish(): string;
  onChange(): void;
}

/** How far each file must be acknowledged: to its size when it was found. */
interface DrainGoals {
  etag: string;
  files: Map<DrainableFile, number>;
}

/**
 * Delivers all that the files have when the drain begins, then stops reading. An entry's files are
 * those found by a scan that begins after the drain. What is written later is delivered, too, but
 * not waited for, so a drain ends however much is written.
 */
export class Drain {
  readonly #agent: DrainTarget;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** The entries whose scan has begun, and whether it is done. */
  readonly #scanned = new Map<DrainableEntry, boolean>();
  readonly #goals = new Map<DrainableEntry, DrainGoals>();
  #state: DrainStatus['state'] = 'STATE_DRAINING';
  #waitingFor = 'the files to be found';

  constructor(agent: DrainTarget, clock: Clock) {
    this.#agent = agent;
    this.#clock = clock;
  }

  get state(): Pick<DrainStatus, 'state' | 'waitingFor'> {
    return { state: this.#state, waitingFor: this.#waitingFor };
  }

  /** Resolves when the agent is drained, or after `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && this.#state === 'STATE_DRAINING') {
      this.#check();
      await this.#clock.sleep(LOOK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  #check(): void {
    const previous = this.#waitingFor;
    this.#waitingFor = this.#obstacle();
    if (this.#waitingFor === '') this.#state = 'STATE_DRAINED';
    if (this.#waitingFor !== previous) this.#agent.onChange();
  }

  /** What the drain waits for, for people; empty: nothing. */
  #obstacle(): string {
    let files = 0;
    let deliveryError = '';
    const entries = this.#agent.entries();
    if (!entries) return 'its entries from a controller';
    for (const entry of entries) {
      if (entry.isPaused) continue;
      const obstacle = this.#findFiles(entry);
      if (obstacle) return obstacle;
      for (const [file, goal] of this.#goals.get(entry)?.files ?? []) {
        if (file.isClosed || file.position >= goal || file.drained) continue;
        if (file.errors.current) return `${file.path}: ${file.errors.current}`;
        deliveryError ||= entry.error;
        files++;
      }
    }
    if (files > 0) return deliveryError || `${files === 1 ? '1 file' : `${files} files`} to be delivered`;
    this.#agent.hold();
    return this.#agent.isSettled() ? this.#agent.finish() : 'acknowledgements from Kafka';
  }

  /** Finds an entry's files and sets their goals. Returns what prevents that; empty: nothing. */
  #findFiles(entry: DrainableEntry): string {
    const { name, etag } = entry.entry;
    if (this.#goals.get(entry)?.etag === etag) return '';
    if (entry.error) return `${name}: ${entry.error}`;
    if (!this.#scanned.has(entry)) {
      this.#scanned.set(entry, false);
      void entry.scan().then(() => this.#scanned.set(entry, true));
    }
    if (!entry.isApplied || !this.#scanned.get(entry)) return `the files of ${name} to be found`;
    const [failed] = entry.fileErrors;
    if (failed) return `${failed[0]}: ${failed[1]}`;
    this.#goals.set(entry, { etag, files: new Map([...entry.sources].map((file) => [file, file.size])) });
    return '';
  }
}
