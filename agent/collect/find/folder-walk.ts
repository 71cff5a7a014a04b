import { type BigIntStats, readdirSync, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { settledCtimeNs } from '../../model/fingerprint.ts';
import { isAbsent, keyOf } from '../../model/found-file.ts';
import { fileSystems } from '../files/file-systems.ts';
import { MatchedPath } from './matched-path.ts';

const BIGINT = { bigint: true } as const;
const NAMES = { withFileTypes: true } as const;

/** What a walk asks of the entry's globs. */
export interface WalkRules {
  matches(path: string): boolean;
  /** Whether nothing below the folder can match. */
  excludes(folder: string): boolean;
  /** Watches what is at a path, by its `fileKey`, and says whether hints of it have come since the scan before. */
  watch(path: string, key: string, kind: 'folder' | 'file'): boolean;
}

/** One scan of all that the globs mean. */
export interface Walk {
  scan: number;
  /** What `FileSystems.refresh` has told. */
  mounts: number;
  nowMs: number;
  signal: AbortSignal;
  onFolder(folder: Folder, watched: boolean): Promise<void>;
  onError(path: string, error: Error): void;
}

/** The names of one folder that matter, as they were when they were read. */
export interface Folder {
  path: string;
  /** Its `fileKey`: a link may lead to another one by now. */
  key: string;
  /** Files in it have changed without a hint: all of them are asked by each scan. */
  silent: boolean;
  /** When names last came to it or went (ctime), ns; 0: it may change again without a new time, or need not tell. */
  ctimeNs: bigint;
  local: boolean;
  matched: MatchedPath[];
  below: readonly { path: string; link: boolean }[];
  /** `mounts` and `scan` of the walk that was here last. */
  mounts: number;
  scan: number;
}

/** Walks below one folder, no deeper than the globs go. The names of a folder that has not changed are not read again. */
export class FolderWalk {
  readonly base: string;
  readonly #depth: number;
  readonly #rules: WalkRules;
  readonly #paths: Map<string, MatchedPath>;
  readonly #folders = new Map<string, Folder>();

  /** `paths`: the matches of all walks of an entry. */
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
      const former = this.#folders.get(path);
      // A network file system that has been mounted here would be waited for.
      const atOnce = former?.local && former.mounts === walk.mounts && !linked;
      const stats = atOnce ? statSync(path, BIGINT) : await stat(path, BIGINT);
      if (!stats.isDirectory()) return;
      const local = atOnce || (await fileSystems.learn(path, stats.dev));
      // What was stopped meanwhile would never let go of it.
      walk.signal.throwIfAborted();
      // Before the names are read: what comes meanwhile is told.
      const watched = this.#rules.watch(path, keyOf(stats), 'folder');
      const folder = await this.#namesOf(path, { former, stats, local, depth, walk });
      this.#folders.set(path, folder);
      await walk.onFolder(folder, watched && folder === former);
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
    now: { former: Folder | undefined; stats: BigIntStats; local: boolean; depth: number; walk: Walk },
  ): Promise<Folder> {
    const { former, stats, local, depth, walk } = now;
    const ctimeNs = local ? settledCtimeNs(stats.ctimeNs, walk.nowMs) : 0n;
    const { mounts, scan } = walk;
    const key = keyOf(stats);
    const same = former?.key === key;
    if (same && local && former.ctimeNs !== 0n && former.ctimeNs === stats.ctimeNs)
      return Object.assign(former, { mounts, scan });
    const children = local ? readdirSync(path, NAMES) : await readdir(path, NAMES);
    const matched: MatchedPath[] = [];
    const below: Folder['below'][number][] = [];
    for (const child of children) {
      const at = join(path, child.name);
      const link = child.isSymbolicLink();
      if ((link || child.isFile()) && (this.#paths.has(at) || this.#rules.matches(at))) {
        matched.push(this.#matchedAt(at, local && !link, link));
      }
      if (depth > 1 && (link || child.isDirectory()) && !this.#rules.excludes(at)) below.push({ path: at, link });
    }
    const present = new Set(matched);
    for (const gone of former?.matched ?? []) if (!present.has(gone)) this.#paths.delete(gone.path);
    const silent = same && former.silent;
    return { path, key, silent, ctimeNs, local, matched, below, mounts, scan };
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

  /** Nothing is there yet: what leads to it tells when it comes. */
  async #watchAbove(signal: AbortSignal): Promise<void> {
    for (let at = dirname(this.base); ; at = dirname(at)) {
      try {
        const key = keyOf(await stat(at, BIGINT));
        signal.throwIfAborted();
        this.#rules.watch(at, key, 'folder');
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isAbsent(error) || at === dirname(at)) return;
      }
    }
  }
}

/** Links to folders are followed, unless they lead back to a folder that we are in. */
async function isFolderLink(path: string): Promise<boolean> {
  try {
    const target = await stat(path, BIGINT);
    return target.isDirectory() && !(await isAbove(target, path));
  } catch {
    // A dangling link is no folder; as a file it is reported by the caller.
    return false;
  }
}

/** Whether one of the folders that lead to `path` is `folder`: following it would go round for ever. */
async function isAbove(folder: BigIntStats, path: string): Promise<boolean> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const { dev, ino } = await stat(at, BIGINT);
    if (dev === folder.dev && ino === folder.ino) return true;
    if (at === dirname(at)) return false;
  }
}
