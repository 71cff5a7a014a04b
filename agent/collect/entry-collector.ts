import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryViolations, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { rethrowDefect } from '../../runtime/errors.ts';
import { charsetFor } from '../encode/charset.ts';
import type { FoundFile } from '../model/found-file.ts';
import type { DeliveryError } from '../produce/delivery-error.ts';
import type { DeliveryRouter } from '../produce/delivery-router.ts';
import type { Controls } from './controls.ts';
import { EntryRoutes, type RoutedEntry } from './entry-routes.ts';
import { Discovery } from './find/discovery.ts';
import { FileEventHandler, type FileEventTarget } from './find/file-event-handler.ts';
import type { FileWatcher, WatchListener } from './find/file-watcher.ts';
import { EntryTaps } from './read/entry-taps.ts';
import { formatFacts } from './read/format-facts.ts';
import { RateLimit, RateLimits } from './read/rate-limit.ts';
import { ScanTimer, type ScanTimes } from './scan-timer.ts';
import { logNewErrors } from './sources/source-errors.ts';
import { SourceSet, type SourceSetDependencies } from './sources/source-set.ts';
import { TopicPartitions } from './topic-partitions.ts';

/**
 * File systems use a clock that advances in steps of up to 10 ms (clock_gettime(2),
 * CLOCK_REALTIME_COARSE).
 */
const CLOCK_GRAIN_MS = 10;

export interface EntryCollectorDependencies extends Omit<SourceSetDependencies, 'routes' | 'options'> {
  router: DeliveryRouter;
  /** The host's name, for the records' headers. */
  host: string;
  /** `--once`: files are read to their end as they are. */
  once: boolean;
  /** The operator's settings for this agent. */
  controls?: Pick<Controls, 'isPaused' | 'limit'>;
  /** Without it there are no file events, and each scan observes each file. */
  watcher?(listener: WatchListener): FileWatcher;
}

/** One entry on this agent: its revision, its files, where their lines go, and its errors. */
export class EntryCollector implements RoutedEntry {
  readonly #dependencies: EntryCollectorDependencies;
  readonly #sources: SourceSet;
  readonly taps = new EntryTaps();
  readonly #limits: RateLimits;
  #stop = new AbortController();
  #entry: Entry;
  #discovery: Discovery | undefined;
  readonly #partitions: TopicPartitions;
  readonly #routes: EntryRoutes;
  readonly #fileEvents: FileEventHandler | undefined;
  #invalid = '';
  #fileErrors: ReadonlyMap<string, string> = new Map();
  /** Why the last scan did not search everything; empty: it did. */
  #incomplete = '';
  readonly #scanTimer: ScanTimer;
  #scanning: Promise<void> | undefined;
  #scanAgain = false;
  /** File events that are being handled. */
  #pendingEvents = 0;
  /**
   * The globs whose first scans have finished, perhaps in a previous process. Files that they match
   * and that are new were created since.
   */
  #scanned: Discovery | undefined;
  /** What was scanned once, and is scanned a second time now: see #scan. */
  #scannedOnce: Discovery | undefined;
  /** Whether the first scans with the globs in effect have finished. */
  #isScanned = false;
  readonly #positionsLost: boolean;
  /** When the globs in effect were applied, ms since the epoch. */
  #sinceMs = 0;

  /** `positionsLost`: files that exist are read from their beginning. */
  constructor(entry: Entry, dependencies: EntryCollectorDependencies, positionsLost = false) {
    this.#entry = entry;
    this.#dependencies = dependencies;
    this.#positionsLost = positionsLost;
    const { listener, router, host, clock, once, controls, store, watcher } = dependencies;
    const onStateChange = () => listener.stateChanged();
    this.#partitions = new TopicPartitions({ ...dependencies, onStateChange }, () => this.assignRoutes());
    this.#routes = new EntryRoutes(this, { router, partitions: this.#partitions, host });
    const charset = () => charsetFor(formatFacts(this.#entry, host));
    this.#scanTimer = new ScanTimer(dependencies);
    this.#limits = new RateLimits(new RateLimit(clock), controls?.limit);
    const options = { once, charset, taps: this.taps, limits: this.#limits };
    this.#sources = new SourceSet(entry.uid, { ...dependencies, routes: this.#routes, options });
    const globs = store.scannedGlobs(entry.uid);
    this.#scanned = globs && new Discovery(globs);
    const target: FileEventTarget = {
      discovery: () => (this.#stop.signal.aborted ? undefined : this.#discovery),
      scanned: () => this.#isScanned,
      continueReading: (path) => this.#sources.continueReading(path),
      handleEvent: (path, look) => this.#handleEvent(path, look),
      scan: () => this.scan(),
    };
    this.#fileEvents = watcher && new FileEventHandler(target, clock, watcher);
  }

  /** The revision in effect, with its defaults filled in. */
  get entry(): Entry {
    return this.#entry;
  }

  get sources(): SourceSet {
    return this.#sources;
  }

  /** Why files could not be opened or observed, by path. */
  get fileErrors(): ReadonlyMap<string, string> {
    return this.#fileErrors;
  }

  /**
   * Why the entry can't be applied, its lines can't be delivered or not all of its files are found;
   * empty: no error.
   */
  get error(): string {
    const undeliverable = this.#partitions.errorFor(this.#entry.topic) || (this.#failure?.message ?? '');
    return this.#invalid || undeliverable || this.#incomplete;
  }

  /** Why Kafka refuses its lines, until an operator acts; empty: it does not refuse them. */
  get refusal(): string {
    return this.#failure?.kind === 'refused' ? this.#failure.message : '';
  }

  get #failure(): DeliveryError | undefined {
    return this.#dependencies.router.failure(this.#entry.topic);
  }

  /** Whether the revision is applied: its files are known, and so are its topic's partitions. */
  get isApplied(): boolean {
    return this.#hasPartitions && this.#isScanned;
  }

  /** Whether every segment has an outcome, and no scan or file event is being handled. */
  get isSettled(): boolean {
    return !this.#scanning && this.#pendingEvents === 0 && this.#sources.settled;
  }

  /** Whether all lines are acknowledged. A paused entry that is applied counts as complete. */
  get isComplete(): boolean {
    if (!this.isApplied || this.isPaused) return this.isApplied;
    return !this.#sources.waiting && [...this.#sources].every((source) => source.complete);
  }

  /** Whether the entry is paused, everywhere or on this agent. */
  get isPaused(): boolean {
    return this.#entry.paused || this.#dependencies.controls?.isPaused(this.#entry.name) === true;
  }

  /** Whether its files are read: it is valid and not paused. */
  get reads(): boolean {
    return !this.isPaused && !this.#invalid;
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Whether each file is read from its beginning. */
  get #readsAll(): boolean {
    return this.#dependencies.once || this.#positionsLost || this.#entry.start === 'beginning';
  }

  get #hasPartitions(): boolean {
    return this.#partitions.countFor(this.#entry.topic) !== undefined;
  }

  /** Applies a revision to lines read from now on, not to segments already sent. Ends a `halt`. */
  apply(entry: Entry): void {
    if (this.#stop.signal.aborted) this.#stop = new AbortController();
    this.#entry = withEntryDefaults(entry);
    const violations = entryViolations(this.#entry);
    this.#invalid = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
    if (this.#invalid) {
      for (const source of this.#sources) source.apply('paused');
      return;
    }
    this.#discovery = new Discovery(this.#entry, this.#fileEvents?.events);
    this.#routes.entryChanged();
    this.#limits.entry.set(Number(this.#entry.maxBytesPerSecond));
    this.#sinceMs = this.#dependencies.clock.nowMs();
    this.#isScanned = false;
    this.#incomplete = '';
    this.assignRoutes();
    if (!this.#hasPartitions) void this.#partitions.discover(() => ({ entry: this.#entry, signal: this.#stop.signal }));
  }

  /** How long scans take, in whole seconds. */
  get scanTimes(): ScanTimes {
    return this.#scanTimer.times;
  }

  get isScanning(): boolean {
    return this.#scanning !== undefined;
  }

  /**
   * Finds files and observes those that changed. If called during a scan, it scans again
   * afterwards. Errors of files are kept for the report. Rejects only if an invariant is violated.
   */
  scan(): Promise<void> {
    this.#scanAgain = true;
    this.#scanning ??= this.#scans().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  /** Stops reading until the next `apply`. Segments already sent may still be acknowledged. */
  halt(): void {
    this.#stop.abort();
    this.#limits.entry.dropWaiting();
    this.#fileEvents?.stop();
    for (const source of this.#sources) source.apply('paused');
  }

  /** Closes all files. Positions stay. */
  close(): void {
    this.#sources.close();
  }

  /** Handles a file event at a path. The next scan finds what this misses. */
  async #handleEvent(path: string, look: Parameters<FileEventTarget['handleEvent']>[1]): Promise<void> {
    const discovery = this.#discovery;
    this.#pendingEvents++;
    try {
      const file = await Promise.resolve(look()).catch(() => undefined);
      if (discovery === this.#discovery) await this.#sources.handleEvent(path, file, (found) => this.#start(found));
    } catch (error) {
      rethrowDefect(error);
      // The file can't be opened. If that lasts, the next scan reports it.
    } finally {
      this.#pendingEvents--;
    }
  }

  /** Pauses or resumes each source as the settings in effect say, and gives it its route. */
  assignRoutes(): void {
    for (const source of this.#sources) this.#routes.assign(source);
  }

  async #scans(): Promise<void> {
    while (this.#scanAgain) {
      this.#scanAgain = false;
      await this.#scan();
    }
  }

  async #scan(): Promise<void> {
    const discovery = this.#discovery;
    const { signal } = this.#stop;
    if (!discovery || this.#invalid || signal.aborted) return;
    void this.#partitions.refresh(this.#entry.topic);
    const since = this.#sources.opened;
    const found = await this.#scanTimer.time(this.#entry.name, () => discovery.scan(signal).catch(() => undefined));
    if (!found || signal.aborted || discovery !== this.#discovery) return;
    this.#fileEvents?.scanned();
    const start = (file: FoundFile) => this.#start(file);
    const rules = { start, matches: (path: string) => discovery.matches(path), folders: discovery.bases, since };
    const errors = await this.#sources.evaluate(found, rules, signal);
    if (signal.aborted) return;
    const { incomplete = '' } = found;
    const changed =
      !this.#isScanned ||
      incomplete !== this.#incomplete ||
      [...errors.keys()].join() !== [...this.#fileErrors.keys()].join();
    const { name: entry } = this.#entry;
    const { logger } = this.#dependencies;
    logNewErrors(errors, { previous: this.#fileErrors, entry, logger });
    if (incomplete !== '' && this.#incomplete === '')
      logger.error('not all files are found', { entry, error: incomplete });
    this.#fileErrors = errors;
    this.#incomplete = incomplete;
    // One scan may miss a file that moves while it walks. `start` applies to that file, too.
    if (this.#scanned !== discovery && this.#scannedOnce !== discovery && !this.#readsAll) {
      this.#scannedOnce = discovery;
      this.#scanAgain = true;
      return;
    }
    if (this.#scanned !== discovery) this.#dependencies.store.markScanned(this.#entry.uid, this.#entry);
    this.#scanned = discovery;
    this.#isScanned = true;
    if (changed) this.#dependencies.listener.stateChanged();
  }

  /**
   * Where reading begins. The entry's `start` applies to files that existed when its globs were
   * applied, and that two scans have found. Others are read from their beginning; with `once`, all
   * files are.
   */
  #start(file: FoundFile): 'beginning' | 'end' {
    const { start } = this.#entry;
    if (this.#readsAll || this.#scanned?.matches(file.path)) return 'beginning';
    if (file.birthMs > this.#sinceMs - CLOCK_GRAIN_MS) return 'beginning';
    if (start === 'end') return 'end';
    return file.changedMs >= Date.parse(start) ? 'beginning' : 'end';
  }
}
