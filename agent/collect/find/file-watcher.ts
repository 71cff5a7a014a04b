import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, join } from 'node:path';
import { errorText } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';

/** The system's default, fs.inotify.max_queued_events. */
const QUEUED_EVENTS_MAX = 16_384;

/** Of all watchers: Node has one inotify queue for them. */
let hints = 0;

/** Hints within a window that are too many, and of how many of them a folder is to blame. */
const WINDOW_MS = 1_000;
const HINTS_MAX = 200;
const BLAMED_HINTS = 10;
/** How long a busy folder is not watched. */
const BUSY_MS = 10_000;
const FORGOTTEN_MS = 60_000;

interface Watch {
  watcher: FSWatcher;
  /** The `fileKey` of what is watched. */
  key: string;
  /** It was asked for since the last `sweep`. */
  wanted: boolean;
  /** Hints in the present window; of links none are counted. */
  hints: number;
}

/** What a watcher tells and asks. */
export interface WatchEvents {
  /** `renamed`: a name has come or gone, or a file has. */
  onHint(path: string, renamed: boolean): void;
  /** Whether somebody looks at the folder's files many times a second when it is busy. */
  mayBeBusy(folder: string): boolean;
  /** Some folder has become busy. */
  onBusy(): void;
}

/**
 * Hints that something happened in folders, within milliseconds: one watch for each folder, whatever is in it. Hints may be late, doubled or
 * missing (network and overlay file systems send nothing): the scan is the truth.
 */
export class FileWatcher {
  readonly #events: WatchEvents;
  readonly #onTrouble: (error: unknown) => void;
  readonly #watches = new Map<string, Watch>();
  readonly #queuedMax = queuedEventsMax();
  readonly #busyUntilMs = new Map<string, number>();
  #hintsBefore = 0;
  #windowHints = 0;
  #windowMs = 0;

  constructor(events: WatchEvents, onTrouble: (error: unknown) => void) {
    this.#events = events;
    this.#onTrouble = onTrouble;
  }

  /** Folders with so many hints that they are not watched for some seconds: each wakes the process. */
  get busy(): ReadonlyMap<string, unknown> {
    return this.#busyUntilMs;
  }

  /** Watches a folder, or one file; `key` is the `fileKey` of what is there now. True when it was watched before, so that hints of it have come. */
  watch(path: string, key: string, kind: 'folder' | 'file'): boolean {
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
      this.#watches.set(path, { watcher, key, wanted: true, hints: 0 });
      watcher.on('change', (event, name) => this.#hint(path, kind, event, name));
      watcher.on('error', (error) => {
        this.#drop(path);
        this.#onTrouble(error);
      });
    } catch (error) {
      this.#onTrouble(error);
    }
    return false;
  }

  /** Lets go of what was not asked for since the last time. */
  sweep(): void {
    for (const [path, watch] of this.#watches) {
      if (!watch.wanted) this.#drop(path);
      watch.wanted = false;
    }
    const nowMs = performance.now();
    // One that nobody has watched again.
    for (const [path, untilMs] of this.#busyUntilMs) if (untilMs + FORGOTTEN_MS < nowMs) this.#busyUntilMs.delete(path);
  }

  /**
   * Whether hints may have been lost since the last time: inotify's queue overflows in silence, but only when it is full, and what is in it
   * comes.
   */
  lost(): boolean {
    const lost = hints - this.#hintsBefore >= this.#queuedMax;
    this.#hintsBefore = hints;
    return lost;
  }

  close(): void {
    for (const path of [...this.#watches.keys()]) this.#drop(path);
    this.#busyUntilMs.clear();
  }

  #hint(path: string, kind: 'folder' | 'file', event: string, name: string | Buffer | null): void {
    hints++;
    if (this.#busyUntilMs.has(path)) return;
    if (kind === 'folder') this.#count(path);
    const renamed = event === 'rename';
    // It may be the folder itself that has gone: it is watched anew by the next scan.
    if (renamed && name === basename(path)) this.#drop(path);
    this.#events.onHint(kind === 'file' || name === null ? path : join(path, String(name)), renamed);
  }

  #count(path: string): void {
    const watch = this.#watches.get(path);
    if (watch) watch.hints++;
    if (++this.#windowHints < HINTS_MAX) return;
    const nowMs = performance.now();
    const tooMany = nowMs - this.#windowMs < WINDOW_MS;
    this.#windowHints = 0;
    this.#windowMs = nowMs;
    for (const [at, { hints: ofIt }] of this.#watches) if (tooMany && ofIt >= BLAMED_HINTS) this.#isBusy(at, nowMs);
    for (const one of this.#watches.values()) one.hints = 0;
  }

  #isBusy(path: string, nowMs: number): void {
    if (!this.#events.mayBeBusy(path)) return;
    // What is queued of it is counted: it may have made the queue overflow.
    setImmediate(() => this.#drop(path));
    this.#busyUntilMs.set(path, nowMs + BUSY_MS);
    this.#events.onBusy();
  }

  #drop(path: string): void {
    this.#watches.get(path)?.watcher.close();
    this.#watches.delete(path);
  }
}

/** The watchers of all entries. What keeps the system from watching is told once. */
export class FileWatchers {
  readonly #logger: Logger;
  #troubled = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  create(events: WatchEvents): FileWatcher {
    return new FileWatcher(events, (error) => this.#trouble(error));
  }

  #trouble(error: unknown): void {
    if (this.#troubled) return;
    this.#troubled = true;
    const remedy = 'files are still found by the scan, a little later; for ENOSPC raise fs.inotify.max_user_watches';
    this.#logger.warn('watching files failed', { error: errorText(error), remedy });
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
