import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, join } from 'node:path';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

/** The system's default, fs.inotify.max_queued_events. */
const QUEUED_EVENTS_MAX = 16_384;

/** Of all watchers: Node has one inotify queue for them. */
let hints = 0;

interface Watch {
  watcher: FSWatcher;
  /** The `fileKey` of what is watched. */
  key: string;
  /** It was asked for since the last `sweep`. */
  wanted: boolean;
}

/** Told of hints; `renamed`: a name has come or gone, or a file has. */
export type OnHint = (path: string, renamed: boolean) => void;

/**
 * Hints that something happened in folders, within milliseconds: one watch for each folder, whatever is in it. Hints may be late, doubled or
 * missing (network and overlay file systems send nothing): the scan is the truth.
 */
export class FileWatcher {
  readonly #onHint: OnHint;
  readonly #onTrouble: (error: unknown) => void;
  readonly #watches = new Map<string, Watch>();
  readonly #queuedMax = queuedEventsMax();
  #hintsBefore = 0;

  constructor(onHint: OnHint, onTrouble: (error: unknown) => void) {
    this.#onHint = onHint;
    this.#onTrouble = onTrouble;
  }

  /** Watches a folder, or one file; `key` is the `fileKey` of what is there now. True when it was watched before, so that hints of it have come. */
  watch(path: string, key: string, kind: 'folder' | 'file'): boolean {
    const present = this.#watches.get(path);
    if (present?.key === key) {
      present.wanted = true;
      return true;
    }
    this.#drop(path);
    try {
      const watcher = watch(path, { persistent: false });
      this.#watches.set(path, { watcher, key, wanted: true });
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
  }

  #hint(path: string, kind: 'folder' | 'file', event: string, name: string | Buffer | null): void {
    hints++;
    const renamed = event === 'rename';
    // It may be the folder itself that has gone: it is watched anew by the next scan.
    if (renamed && name === basename(path)) this.#drop(path);
    this.#onHint(kind === 'file' || name === null ? path : join(path, String(name)), renamed);
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

  create(onHint: OnHint): FileWatcher {
    return new FileWatcher(onHint, (error) => this.#trouble(error));
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
