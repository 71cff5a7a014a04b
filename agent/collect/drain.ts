import type { Drain as DrainStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { EntryCollector } from './entry-collector.ts';
import type { Source } from './sources/source.ts';

const LOOK_INTERVAL_MS = 200;

/** What a drain needs of the agent. */
export interface DrainTarget {
  /** undefined: they are not known yet. */
  entries(): Iterable<EntryCollector> | undefined;
  /** Whether nothing of any entry is on its way, of those either that are stopped. */
  isSettled(): boolean;
  /** Reads no more. */
  hold(): void;
  /** Writes down what has come of it; what is in the way, for a person, empty when nothing is. */
  finish(): string;
  onChange(): void;
}

/** How far each file must be delivered: to where it ended when it was found. */
interface DrainGoals {
  etag: string;
  sources: Map<Source, number>;
}

/**
 * Has all delivered that the files have when it begins, then stops reading. An entry's files are those that a scan finds which begins after
 * the drain does, and which can be read; what comes later is delivered, too, until all are done. So it ends, however much is written.
 */
export class Drain {
  readonly #agent: DrainTarget;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** Those that are looked for, and whether they were. */
  readonly #scanned = new Map<EntryCollector, boolean>();
  readonly #goals = new Map<EntryCollector, DrainGoals>();
  #state: DrainStatus['state'] = 'STATE_DRAINING';
  #waitingFor = 'the files to be found';

  constructor(agent: DrainTarget, clock: Clock) {
    this.#agent = agent;
    this.#clock = clock;
  }

  get state(): Pick<DrainStatus, 'state' | 'waitingFor'> {
    return { state: this.#state, waitingFor: this.#waitingFor };
  }

  /** Until the agent is drained, or `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && this.#state === 'STATE_DRAINING') {
      this.#look();
      await this.#clock.sleep(LOOK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  #look(): void {
    const former = this.#waitingFor;
    this.#waitingFor = this.#obstacle();
    if (this.#waitingFor === '') this.#state = 'STATE_DRAINED';
    if (this.#waitingFor !== former) this.#agent.onChange();
  }

  /** What keeps it from being done, for a person. */
  #obstacle(): string {
    let files = 0;
    let trouble = '';
    const entries = this.#agent.entries();
    if (!entries) return 'its entries to be told';
    for (const entry of entries) {
      if (entry.isPaused) continue;
      const obstacle = this.#toFind(entry);
      if (obstacle) return obstacle;
      for (const [source, goal] of this.#goals.get(entry)?.sources ?? []) {
        if (source.state === 'CLOSED' || source.position >= goal || source.drained) continue;
        if (source.errors.last) return `${source.path}: ${source.errors.last}`;
        trouble ||= entry.error;
        files++;
      }
    }
    if (files > 0) return trouble || `${files === 1 ? '1 file' : `${files} files`} to be delivered`;
    this.#agent.hold();
    return this.#agent.isSettled() ? this.#agent.finish() : 'answers of Kafka';
  }

  /** What keeps an entry's files from being found and opened. */
  #toFind(entry: EntryCollector): string {
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
    this.#goals.set(entry, { etag, sources: new Map([...entry.sources].map((source) => [source, source.size])) });
    return '';
  }
}
