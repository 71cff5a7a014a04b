import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryViolations, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { charsetFor } from '../encode/charset.ts';
import type { FoundFile } from '../model/found-file.ts';
import type { DeliveryRouter } from '../produce/delivery-router.ts';
import type { Controls } from './controls.ts';
import { EntryRoutes, type RoutedEntry } from './entry-routes.ts';
import { Discovery } from './find/discovery.ts';
import { FileEventHandler, type FileEventTarget } from './find/file-event-handler.ts';
import type { FileWatcher, WatchListener } from './find/file-watcher.ts';
import { EntryTaps } from './read/entry-taps.ts';
import { formatFacts } from './read/format-facts.ts';
import { RateLimit, RateLimits } from './read/rate-limit.ts';
import { logNewErrors } from './sources/source-errors.ts';
import { SourceSet, type SourceSetDependencies } from './sources/source-set.ts';
import { TopicPartitions } from './topic-partitions.ts';

/** Files are stamped by a clock that stands still for up to 10 ms (clock_gettime(2), CLOCK_REALTIME_COARSE). */
const CLOCK_GRAIN_MS = 10;

export interface EntryCollectorDependencies extends Omit<SourceSetDependencies, 'routes' | 'options'> {
  router: DeliveryRouter;
  /** The host's name, for the records' headers. */
  host: string;
  /** `--once`: files are read to their end as they are. */
  once: boolean;
  /** What an operator has set for this agent. */
  controls?: Pick<Controls, 'isPaused' | 'limit'>;
  /** Without it there are no file events, and each scan observes each file. */
  watcher?(events: WatchListener): FileWatcher;
}

/** One entry on this agent: its revision, its files, where their lines go, and what troubles it. */
export class EntryCollector implements RoutedEntry {
  readonly #tools: EntryCollectorDependencies;
  readonly #sources: SourceSet;
  /** Who looks on while lines are read. */
  readonly taps = new EntryTaps();
  readonly #limits: RateLimits;
  #stop = new AbortController();
  #entry: Entry;
  #discovery: Discovery | undefined;
  readonly #partitions: TopicPartitions;
  readonly #routes: EntryRoutes;
  readonly #between: FileEventHandler | undefined;
  #invalid = '';
  #fileErrors: ReadonlyMap<string, string> = new Map();
  #scanning: Promise<void> | undefined;
  #scanAgain = false;
  /** Hints that are being looked into. */
  #hints = 0;
  /** What was looked for once, perhaps by a former process: a file met now that it matches was created since. */
  #scanned: Discovery | undefined;
  #scannedNow = false;
  readonly #positionsLost: boolean;
  /** When the globs in force came. */
  #sinceMs = 0;

  /** `positionsLost`: files that exist are read from their beginning. */
  constructor(entry: Entry, tools: EntryCollectorDependencies, positionsLost = false) {
    this.#entry = entry;
    this.#tools = tools;
    this.#positionsLost = positionsLost;
    const { listener, router, host } = tools;
    const onStateChange = () => listener.stateChanged();
    this.#partitions = new TopicPartitions({ ...tools, onStateChange }, () => this.assignRoutes());
    this.#routes = new EntryRoutes(this, { router, partitions: this.#partitions, host });
    const charset = () => charsetFor(formatFacts(this.#entry, tools.host));
    this.#limits = new RateLimits(new RateLimit(tools.clock), tools.controls?.limit);
    const options = { once: tools.once, charset, taps: this.taps, limits: this.#limits };
    this.#sources = new SourceSet(entry.uid, { ...tools, routes: this.#routes, options });
    const globs = tools.store.scannedGlobs(entry.uid);
    this.#scanned = globs && new Discovery(globs);
    const { watcher } = tools;
    const hinted: FileEventTarget = {
      discovery: () => (this.#stop.signal.aborted ? undefined : this.#discovery),
      scanned: () => this.#scannedNow,
      continueReading: (path) => this.#sources.continueReading(path),
      handleEvent: (path, look) => this.#handleEvent(path, look),
      scan: () => this.scan(),
    };
    this.#between = watcher && new FileEventHandler(hinted, tools.clock, watcher);
  }

  /** The revision in force, its defaults written out. */
  get entry(): Entry {
    return this.#entry;
  }

  get sources(): SourceSet {
    return this.#sources;
  }

  /** Files that could not be opened or looked at: the reason by path. */
  get fileErrors(): ReadonlyMap<string, string> {
    return this.#fileErrors;
  }

  /** What keeps the entry, or its lines, from having effect; empty when nothing does. */
  get error(): string {
    const { topic } = this.#entry;
    return this.#invalid || this.#partitions.errorFor(topic) || (this.#tools.router.failure(topic)?.message ?? '');
  }

  /** Whether the revision is in force: its files are known and their lines have somewhere to go. */
  get isApplied(): boolean {
    return this.#routed && this.#scannedNow;
  }

  /** Whether nothing is on its way, and no file is being looked at. */
  get isSettled(): boolean {
    return !this.#scanning && this.#hints === 0 && this.#sources.settled;
  }

  get isComplete(): boolean {
    if (!this.isApplied || this.isPaused) return this.isApplied;
    return !this.#sources.waiting && [...this.#sources].every((source) => source.complete);
  }

  /** By itself, or on this agent. */
  get isPaused(): boolean {
    return this.#entry.paused || this.#tools.controls?.isPaused(this.#entry.name) === true;
  }

  /** Whether its files are read: it is valid and not paused. */
  get reads(): boolean {
    return !this.isPaused && !this.#invalid;
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get #routed(): boolean {
    return this.#partitions.countFor(this.#entry.topic) !== undefined;
  }

  /** Puts a revision in force: from now on for what is read, not for what is on its way. Ends a `halt`. */
  apply(entry: Entry): void {
    if (this.#stop.signal.aborted) this.#stop = new AbortController();
    this.#entry = withEntryDefaults(entry);
    const violations = entryViolations(this.#entry);
    this.#invalid = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
    if (this.#invalid) {
      for (const source of this.#sources) source.pause();
      return;
    }
    this.#discovery = new Discovery(this.#entry, this.#between?.events);
    this.#routes.entryChanged();
    this.#limits.entry.set(Number(this.#entry.maxBytesPerSecond));
    this.#sinceMs = this.#tools.clock.nowMs();
    this.#scannedNow = false;
    this.assignRoutes();
    if (!this.#routed) void this.#partitions.discover(() => ({ entry: this.#entry, signal: this.#stop.signal }));
  }

  get isScanning(): boolean {
    return this.#scanning !== undefined;
  }

  /** Looks for files, and at those it has; once more when asked meanwhile. Never rejects: troubles are kept to be shown. */
  scan(): Promise<void> {
    this.#scanAgain = true;
    this.#scanning ??= this.#scans().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  /** Stops reading until the next `apply`; what is on its way may still arrive. */
  halt(): void {
    this.#stop.abort();
    this.#limits.entry.dropWaiting();
    this.#between?.stop();
    for (const source of this.#sources) source.pause();
  }

  /** Positions stay. */
  close(): void {
    this.#sources.close();
  }

  /** Looks at one path, for a hint. What that misses the next scan finds. */
  async #handleEvent(path: string, look: Parameters<FileEventTarget['handleEvent']>[1]): Promise<void> {
    const discovery = this.#discovery;
    this.#hints++;
    try {
      const file = await Promise.resolve(look()).catch(() => undefined);
      if (discovery === this.#discovery) await this.#sources.handleEvent(path, file, (found) => this.#start(found));
    } catch {
      // It can't be opened: the scan tells of that, if it lasts.
    } finally {
      this.#hints--;
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
    const found = await discovery.scan(signal).catch(() => undefined);
    if (!found || signal.aborted || discovery !== this.#discovery) return;
    this.#between?.scanned();
    const start = (file: FoundFile) => this.#start(file);
    const rules = { start, matches: (path: string) => discovery.matches(path), folders: discovery.bases, since };
    const errors = await this.#sources.evaluate(found, rules, signal);
    if (signal.aborted) return;
    const changed = !this.#scannedNow || [...errors.keys()].join() !== [...this.#fileErrors.keys()].join();
    logNewErrors(errors, { previous: this.#fileErrors, entry: this.#entry.name, logger: this.#tools.logger });
    this.#fileErrors = errors;
    if (this.#scanned !== discovery) this.#tools.store.markScanned(this.#entry.uid, this.#entry);
    this.#scanned = discovery;
    this.#scannedNow = true;
    if (changed) this.#tools.listener.stateChanged();
  }

  /** `start` is about files that were there when the globs came; later ones are read whole, and with `once` all are. */
  #start(file: FoundFile): 'beginning' | 'end' {
    const { start } = this.#entry;
    if (this.#tools.once || this.#positionsLost || start === 'beginning' || this.#scanned?.matches(file.path))
      return 'beginning';
    if (file.birthMs > this.#sinceMs - CLOCK_GRAIN_MS) return 'beginning';
    if (start === 'end') return 'end';
    return file.changedMs >= Date.parse(start) ? 'beginning' : 'end';
  }
}
