import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { settledCtimeNs } from '../../model/fingerprint.ts';
import { isAbsent, keyOf } from '../../model/found-file.ts';
import { fileSystems } from '../files/file-systems.ts';
import { namesIn } from './folder-names.ts';
import { MatchedPath } from './matched-path.ts';

const BIGINT = { bigint: true } as const;

/** What a walk needs to know of the entry's globs, and how it watches. */
export interface WalkRules {
  matches(path: string): boolean;
  /** Whether nothing below the folder can match. */
  excludes(folder: string): boolean;
  /**
   * Watches the folder at a path. `key`: its `fileKey`. Returns whether it was watched before.
   */
  watch(path: string, key: string): boolean;
}

/** One scan of all folders that may hold matches. */
export interface Walk {
  scan: number;
  /** What `FileSystems.refresh` returned. */
  mounts: number;
  nowMs: number;
  signal: AbortSignal;
  onFolder(folder: Folder, watched: boolean): Promise<void>;
  onError(path: string, error: Error): void;
}

/** The names in one folder that matter, as they were when they were read. */
export interface Folder {
  path: string;
  /** Its `fileKey`: a link can be changed to lead to another folder. */
  key: string;
  /** Files in it change without events, so each scan observes all of them. */
  changesSilently: boolean;
  /** Its ctime, ns, which changes with its names. 0: its names may change without a new ctime. */
  ctimeNs: bigint;
  local: boolean;
  matched: MatchedPath[];
  below: readonly { path: string; link: boolean }[];
  /** What can't be opened, because its name is not UTF-8. */
  unusable: readonly { path: string; error: Error }[];
  /** `mounts` and `scan` of the last walk that entered it. */
  mounts: number;
  scan: number;
}

/**
 * Walks the folders below one folder, no deeper than the globs match. It reads the names of a
 * folder again only if they may have changed.
 */
export class FolderWalk {
  readonly base: string;
  readonly #depth: number;
  readonly #rules: WalkRules;
  readonly #paths: Map<string, MatchedPath>;
  readonly #folders = new Map<string, Folder>();

  /** `paths`: the matched paths of all walks of an entry. */
  constructor(base: string, depth: number, rules: WalkRules, paths: Map<string, MatchedPath>) {
    this.base = base;
    this.#depth = depth;
    this.#rules = rules;
    this.#paths = paths;
  }

  folderAt(path: string): Folder | undefined {
    return this.#folders.get(path);
  }

  /** Rejects only when aborted. */
  async run(walk: Walk): Promise<void> {
    await this.#enter(this.base, this.#depth, true, walk);
    for (const [path, folder] of this.#folders) {
      if (folder.scan === walk.scan) continue;
      for (const matched of folder.matched) this.#paths.delete(matched.path);
      this.#folders.delete(path);
    }
  }

  async #enter(path: string, depth: number, linked: boolean, walk: Walk): Promise<void> {
    walk.signal.throwIfAborted();
    try {
      const previous = this.#folders.get(path);
      // After a mount the path may be on a network file system, where a synchronous stat may block.
      const atOnce = previous?.local && previous.mounts === walk.mounts && !linked;
      const stats = atOnce ? statSync(path, BIGINT) : await stat(path, BIGINT);
      if (!stats.isDirectory()) return;
      const local = atOnce || (await fileSystems.learn(path, stats.dev));
      // An entry that was stopped meanwhile would never drop the watch.
      walk.signal.throwIfAborted();
      // Watch before reading the names, so that later changes have an event.
      const watched = this.#rules.watch(path, keyOf(stats));
      const folder = await this.#namesOf(path, { previous, stats, local, depth, walk });
      this.#folders.set(path, folder);
      for (const { path: at, error } of folder.unusable) walk.onError(at, error);
      await walk.onFolder(folder, watched && folder === previous);
      for (const below of folder.below) {
        if (!below.link || (await isFolderLink(below.path))) await this.#enter(below.path, depth - 1, below.link, walk);
      }
    } catch (error) {
      walk.signal.throwIfAborted();
      if (!isAbsent(error)) walk.onError(path, error as Error);
      else if (path === this.base) await this.#watchAbove(walk.signal);
    }
  }

  async #namesOf(
    path: string,
    now: { previous: Folder | undefined; stats: BigIntStats; local: boolean; depth: number; walk: Walk },
  ): Promise<Folder> {
    const { previous, stats, local, depth, walk } = now;
    const ctimeNs = local ? settledCtimeNs(stats.ctimeNs, walk.nowMs) : 0n;
    const { mounts, scan } = walk;
    const key = keyOf(stats);
    const same = previous?.key === key;
    if (same && local && previous.ctimeNs !== 0n && previous.ctimeNs === stats.ctimeNs)
      return Object.assign(previous, { mounts, scan });
    const matched: MatchedPath[] = [];
    const below: Folder['below'][number][] = [];
    const unusable: Folder['unusable'][number][] = [];
    for (const child of await namesIn(path, local)) {
      const at = join(path, child.name);
      const link = child.isSymbolicLink();
      const isMatch = (link || child.isFile()) && (this.#paths.has(at) || this.#rules.matches(at));
      const mayHoldMatches = depth > 1 && (link || child.isDirectory()) && !this.#rules.excludes(at);
      if (child.notUtf8 !== undefined) {
        const kind = isMatch ? 'file' : 'folder';
        const error = new Error(`the ${kind} name is not UTF-8: rename the ${kind}`);
        if (isMatch || mayHoldMatches) unusable.push({ path: join(path, child.notUtf8), error });
        continue;
      }
      if (isMatch) matched.push(this.#matchedAt(at, local && !link, link));
      if (mayHoldMatches) below.push({ path: at, link });
    }
    const present = new Set(matched);
    for (const gone of previous?.matched ?? []) if (!present.has(gone)) this.#paths.delete(gone.path);
    const silent = same && previous.changesSilently;
    return { path, key, changesSilently: silent, ctimeNs, local, matched, below, unusable, mounts, scan };
  }

  #matchedAt(path: string, local: boolean, link: boolean): MatchedPath {
    let matched = this.#paths.get(path);
    if (!matched) {
      matched = new MatchedPath(path, local, link);
      this.#paths.set(path, matched);
    }
    matched.stale = true;
    [matched.local, matched.link] = [local, link];
    return matched;
  }

  /** The base does not exist yet: the nearest folder above it has an event when that changes. */
  async #watchAbove(signal: AbortSignal): Promise<void> {
    for (let at = dirname(this.base); ; at = dirname(at)) {
      try {
        const key = keyOf(await stat(at, BIGINT));
        signal.throwIfAborted();
        this.#rules.watch(at, key);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isAbsent(error) || at === dirname(at)) return;
      }
    }
  }
}

/** Links to folders are followed, unless they lead back to a folder above the link. */
async function isFolderLink(path: string): Promise<boolean> {
  try {
    const target = await stat(path, BIGINT);
    return target.isDirectory() && !(await isAbove(target, path));
  } catch {
    // A dangling link is no folder. The caller reports it as a file.
    return false;
  }
}

/** Whether `folder` is one of the folders above `path`: following it would never end. */
async function isAbove(folder: BigIntStats, path: string): Promise<boolean> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const { dev, ino } = await stat(at, BIGINT);
    if (dev === folder.dev && ino === folder.ino) return true;
    if (at === dirname(at)) return false;
  }
}
