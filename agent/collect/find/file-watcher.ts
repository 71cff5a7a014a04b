import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, join } from 'node:path';
import { errorCode, errorText } from '../../../runtime/errors.ts';
import { inotifyRemedy } from '../../../runtime/inotify.ts';
import type { Logger } from '../../../runtime/logger.ts';

/** The system's default, fs.inotify.max_queued_events. */
const QUEUED_EVENTS_MAX = 16_384;

/** All events of this process: Node has one inotify queue for all its watchers. */
let eventCount = 0;

/** If a window has WINDOW_EVENTS_MAX events, folders with BUSY_FOLDER_EVENTS of them are busy. */
const WINDOW_MS = 1_000;
const WINDOW_EVENTS_MAX = 200;
const BUSY_FOLDER_EVENTS = 10;
/** For how long a busy folder is not watched. */
const BUSY_MS = 10_000;
const FORGOTTEN_MS = 60_000;

interface Watch {
  watcher: FSWatcher;
  /** The `fileKey` of what is watched. */
  key: string;
  /** Whether it was requested since the last `sweep`. */
  wanted: boolean;
  /** The folder's events in the current window. */
  events: number;
}

/** What a watcher reports to. */
export interface WatchListener {
  /** `renamed`: a name or a file was created, deleted or renamed. */
  onFileEvent(path: string, renamed: boolean): void;
  /** Whether the folder's files can be polled instead of watched. */
  mayBeBusy(folder: string): boolean;
  /** A folder has become busy. */
  onBusy(): void;
}

/**
 * Reports within milliseconds that something happened in a folder, by one watch for each folder.
 * Events may be late, doubled or missing (network and overlay file systems have none), so the scan
 * decides.
 */
export class FileWatcher {
  readonly #listener: WatchListener;
  readonly #onError: (error: unknown) => void;
  readonly #watches = new Map<string, Watch>();
  readonly #queuedMax = queuedEventsMax();
  readonly #busyUntilMs = new Map<string, number>();
  #checkedEventCount = 0;
  #windowEvents = 0;
  #windowMs = 0;

  constructor(listener: WatchListener, onError: (error: unknown) => void) {
    this.#listener = listener;
    this.#onError = onError;
  }

  /**
   * Folders with so many events that they are not watched for some seconds: each wakes the process.
   */
  get busy(): ReadonlyMap<string, unknown> {
    return this.#busyUntilMs;
  }

  /**
   * Watches a folder; `key` is the `fileKey` of what is there now. Returns true if it was watched
   * before, so that its events have arrived.
   */
  watch(path: string, key: string): boolean {
    const present = this.#watches.get(path);
    if (present?.key === key) {
      present.wanted = true;
      return true;
    }
    if (performance.now() < (this.#busyUntilMs.get(path) ?? 0)) return false;
    this.#busyUntilMs.delete(path);
    this.#drop(path);
    try {
      const watcher = watch(path, { persistent: false });
      this.#watches.set(path, { watcher, key, wanted: true, events: 0 });
      watcher.on('change', (event, name) => this.#handle(path, event, name));
      watcher.on('error', (error) => {
        this.#drop(path);
        this.#onError(error);
      });
    } catch (error) {
      this.#onError(error);
    }
    return false;
  }

  /** Drops watches that were not requested since the last sweep. */
  sweep(): void {
    for (const [path, watch] of this.#watches) {
      if (!watch.wanted) this.#drop(path);
      watch.wanted = false;
    }
    const nowMs = performance.now();
    // Nobody requested these again.
    for (const [path, untilMs] of this.#busyUntilMs) if (untilMs + FORGOTTEN_MS < nowMs) this.#busyUntilMs.delete(path);
  }

  /**
   * Whether events may have been lost since the last call. Node does not report that inotify's
   * queue overflowed; but then at least a full queue of events arrives.
   */
  mayHaveLostEvents(): boolean {
    const lost = eventCount - this.#checkedEventCount >= this.#queuedMax;
    this.#checkedEventCount = eventCount;
    return lost;
  }

  close(): void {
    for (const path of [...this.#watches.keys()]) this.#drop(path);
    this.#busyUntilMs.clear();
  }

  #handle(path: string, event: string, name: string | Buffer | null): void {
    eventCount++;
    if (this.#busyUntilMs.has(path)) return;
    this.#count(path);
    const renamed = event === 'rename';
    // The folder itself may have been renamed or deleted: the next scan watches what is there then.
    if (renamed && name === basename(path)) {
      this.#drop(path);
      this.#listener.onFileEvent(path, renamed);
    }
    this.#listener.onFileEvent(name === null ? path : join(path, String(name)), renamed);
  }

  #count(path: string): void {
    const watch = this.#watches.get(path);
    if (watch) watch.events++;
    if (++this.#windowEvents < WINDOW_EVENTS_MAX) return;
    const nowMs = performance.now();
    const tooMany = nowMs - this.#windowMs < WINDOW_MS;
    this.#windowEvents = 0;
    this.#windowMs = nowMs;
    for (const [at, { events }] of this.#watches)
      if (tooMany && events >= BUSY_FOLDER_EVENTS) this.#markBusy(at, nowMs);
    for (const one of this.#watches.values()) one.events = 0;
  }

  #markBusy(path: string, nowMs: number): void {
    if (!this.#listener.mayBeBusy(path)) return;
    // Its queued events must still be counted: they may have made the queue overflow.
    setImmediate(() => this.#drop(path));
    this.#busyUntilMs.set(path, nowMs + BUSY_MS);
    this.#listener.onBusy();
  }

  #drop(path: string): void {
    this.#watches.get(path)?.watcher.close();
    this.#watches.delete(path);
  }
}

/**
 * Creates the watchers of all entries. The first failure to watch is logged, and the first of each
 * other kind.
 */
export class FileWatchers {
  readonly #logger: Logger;
  /** The error codes of the failures that were logged. */
  readonly #logged = new Set<string | undefined>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  create(listener: WatchListener): FileWatcher {
    return new FileWatcher(listener, (error) => this.#logFirst(error));
  }

  #logFirst(error: unknown): void {
    const code = errorCode(error);
    if (this.#logged.has(code)) return;
    this.#logged.add(code);
    const remedy = ['the scan still finds files, a little later', inotifyRemedy(error)].filter(Boolean).join('; ');
    this.#logger.warn('cannot watch files', { error: errorText(error), remedy });
  }
}

function queuedEventsMax(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || QUEUED_EVENTS_MAX;
  } catch {
    // Not Linux.
    return QUEUED_EVENTS_MAX;
  }
}
