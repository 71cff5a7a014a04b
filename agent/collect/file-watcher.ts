import { dirname } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

export type HintKind = 'file' | 'folder';

/** A folder to watch, and how to tell what below it matters. */
export interface WatchedBase {
  base: string;
  /** How many folders below `base` a match can be. */
  depth: number;
  /** Whether a file is worth watching. */
  matches(path: string): boolean;
}

/**
 * Hints that something happened, within milliseconds. Hints may be late, doubled or missing (inotify's queue overflows in silence, and
 * network and overlay file systems send nothing): the reconcile scan is the truth.
 */
export class FileWatcher {
  readonly #logger: Logger;
  readonly #onHint: (path: string, kind: HintKind) => void;
  readonly #watchers = new Map<string, FSWatcher[]>();
  #troubled = false;

  constructor(logger: Logger, onHint: (path: string, kind: HintKind) => void) {
    this.#logger = logger;
    this.#onHint = onHint;
  }

  /** Watches exactly these, each under the key of its owner; those that are no longer named are let go. */
  watch(key: string, bases: readonly WatchedBase[]): void {
    for (const watcher of this.#watchers.get(key) ?? []) void watcher.close();
    this.#watchers.delete(key);
    if (bases.length === 0) return;
    const byDepth = Map.groupBy(bases, ({ depth }) => depth);
    this.#watchers.set(
      key,
      [...byDepth.values()].map((alike) => this.#watchAlike(alike)),
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.#watchers.values()].flat().map((watcher) => watcher.close()));
    this.#watchers.clear();
  }

  /** Watches bases below which matches can be equally deep. */
  #watchAlike(bases: readonly WatchedBase[]): FSWatcher {
    const depth = bases[0]?.depth ?? 0;
    // A base that is a file is watched through its folder, which tells when the file is replaced.
    const folders = bases.map(({ base, matches }) => (matches(base) ? dirname(base) : base));
    const watcher = watch([...new Set(folders)], {
      ignoreInitial: true,
      persistent: false,
      // Else a file that is replaced, as by a rotation, is told 100 ms late, as a change of the former one.
      atomic: false,
      // chokidar counts folders from 0: the base itself.
      ...(Number.isFinite(depth) && { depth: Math.max(0, depth - 1) }),
      ignored: (path, stats) => stats?.isFile() === true && !bases.some(({ matches }) => matches(path)),
    });
    watcher.on('add', (path) => this.#onHint(path, 'file'));
    watcher.on('change', (path) => this.#onHint(path, 'file'));
    watcher.on('unlink', (path) => this.#onHint(path, 'file'));
    watcher.on('addDir', (path) => this.#onHint(path, 'folder'));
    watcher.on('error', (error) => this.#trouble(error));
    return watcher;
  }

  #trouble(error: unknown): void {
    if (this.#troubled) return;
    this.#troubled = true;
    const remedy = 'files are still found by the scan, a little later; for ENOSPC raise fs.inotify.max_user_watches';
    this.#logger.warn('watching files failed', { error: errorText(error), remedy });
  }
}
