import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, parse, resolve, sep } from 'node:path';
import type { FSWatcher } from 'chokidar';
import type { Clock } from './clock.ts';
import { errorText } from './errors.ts';
import { inotifyRemedy } from './inotify.ts';
import type { Logger } from './logger.ts';

/** Files that configure a part of the process. */
export interface ConfigurationFiles {
  /** The files and folders as configured. Read again after each change. */
  paths(): readonly string[];
  /** Reads the files, compares, and applies what changed. Handles its own errors. */
  check(): Promise<void>;
}

/** A program writes a file in steps, and a certificate and its key are two files. */
const SETTLE_MS = 200;
/** On a network file system another host's change causes no event. */
const CHECK_INTERVAL_MS = 60_000;
/** As in Linux's path_resolution(7). */
const LINKS_MAX = 40;

/**
 * Watches the configuration files of a running process, through chokidar. It watches few files, and
 * never log files (docs/decisions/0010-many-files.md). After a change it lets every part check its
 * files: a part compares a few kilobytes, so it need not know which file changed.
 */
export class FileChanges {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watched: ConfigurationFiles[] = [];
  #paths: ReadonlySet<string> = new Set();
  #wake: () => void = () => {};
  #lastError = '';

  constructor(tools: { clock: Clock; logger: Logger }) {
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** Must be called before `run`. */
  add(files: ConfigurationFiles): void {
    if (files.paths().length > 0) this.#watched.push(files);
  }

  /** Watches until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#watched.length === 0 || signal.aborted) return;
    await this.#findPaths();
    const watcher = await this.#createWatcher();
    const stop = () => this.#wake();
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const changed = this.#nextChange(signal);
        for (const files of this.#watched) await files.check();
        await changed;
        const { added, removed } = await this.#findPaths();
        if (added.length > 0) watcher.add(added);
        if (removed.length > 0) watcher.unwatch(removed);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await watcher.close();
    }
  }

  async #createWatcher(): Promise<FSWatcher> {
    // Loaded only by a process that has files to watch.
    const { watch } = await import('chokidar');
    const watcher = watch([...this.#paths], {
      ignoreInitial: true,
      // Each link is a path of its own here: chokidar does not notice that a link to a folder above
      // a watched file is replaced.
      followSymlinks: false,
      // Not `depth: 0`: with it chokidar does not look into a folder that is deleted and created
      // again.
      ignored: (path) => !this.#paths.has(path) && !this.#paths.has(dirname(path)),
    });
    watcher.on('all', () => this.#wake());
    // Before that a change causes no event.
    watcher.on('ready', () => this.#wake());
    watcher.on('error', (error) => this.#logFailure(error));
    return watcher;
  }

  /** Brings `#paths` up to date. */
  async #findPaths(): Promise<{ added: string[]; removed: string[] }> {
    const configured = this.#watched.flatMap((files) => files.paths());
    const paths = new Set((await Promise.all(configured.map(pathsTo))).flat());
    const previous = this.#paths;
    this.#paths = paths;
    return {
      added: [...paths].filter((path) => !previous.has(path)),
      removed: [...previous].filter((path) => !paths.has(path)),
    };
  }

  /** Resolves when a change has settled, after CHECK_INTERVAL_MS, or on an abort. */
  async #nextChange(signal: AbortSignal): Promise<void> {
    const { promise, resolve: wake } = Promise.withResolvers<void>();
    let cancel = this.#clock.after(CHECK_INTERVAL_MS, wake);
    this.#wake = () => {
      cancel();
      if (signal.aborted) wake();
      else cancel = this.#clock.after(SETTLE_MS, wake);
    };
    await promise;
  }

  #logFailure(error: unknown): void {
    const text = errorText(error);
    if (text === this.#lastError) return;
    this.#lastError = text;
    this.#logger.warn('configuration files cannot be watched and are read at intervals instead', {
      error: text,
      intervalMs: CHECK_INTERVAL_MS,
      remedy: inotifyRemedy(error),
    });
  }
}

/**
 * Each symbolic link on the way to `path`, and the file or folder at its end. Kubernetes replaces a
 * ConfigMap's files by one link, `..data`, which a mounted file leads through.
 */
export async function pathsTo(path: string): Promise<string[]> {
  const links: string[] = [];
  let pending = resolve(path);
  let at = parse(pending).root;
  while (links.length < LINKS_MAX) {
    const rest = pending.slice(at.length).split(sep).filter(Boolean);
    const [name, ...others] = rest;
    if (name === undefined) break;
    const next = join(at, name);
    const kind = await lstat(next).catch(() => undefined);
    // chokidar watches the nearest folder that exists until a missing path appears.
    if (!kind) return [...links, join(next, ...others)];
    if (!kind.isSymbolicLink()) {
      at = next;
      continue;
    }
    links.push(next);
    pending = resolve(dirname(next), await readlink(next).catch(() => name), ...others);
    at = parse(pending).root;
  }
  return [...links, at];
}
