import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '../../../runtime/errors.ts';
import { settledCtimeNs } from '../../model/fingerprint.ts';
import { isAbsent, isAtOrBelow, keyOf } from '../../model/found-file.ts';
import { fileSystems } from '../files/file-systems.ts';
import { type FolderName, namesIn } from './folder-names.ts';
import type { GlobProgress } from './glob-progress.ts';
import { MatchedPath } from './matched-path.ts';
import type { ScanBudget } from './scan-budget.ts';

const BIGINT = { bigint: true } as const;

/** What a walk needs to know of the entry, and how it watches. */
export interface WalkRules {
  matches(path: string): boolean;
  /** Whether nothing below the folder can match. */
  excludes(folder: string): boolean;
  /** Whether links below the base are followed. */
  readonly followLinks: boolean;
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
  /** Ends the walk when too much was found. */
  budget: ScanBudget;
  onFolder(folder: Folder, watched: boolean): Promise<void>;
  onError(path: string, error: Error): void;
}

/** A folder, or a link that may lead to one. */
interface Subfolder {
  path: string;
  link: boolean;
  /** How far its path matches the globs: see GlobProgress. */
  progress: string;
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
  below: readonly Subfolder[];
  /** Links that the entry does not follow. */
  ignored: ReadonlySet<string>;
  /** What can't be opened, because its name is not UTF-8. */
  unusable: readonly { path: string; error: Error }[];
  /** `mounts` and `scan` of the last walk that entered it. */
  mounts: number;
  scan: number;
}

/** The state of one walk. */
interface Search {
  walk: Walk;
  /** The real folders that were searched, each with the progress of its path. */
  searched: Set<string>;
  /** The `fileKey` of each folder met, by path. */
  keys: Map<string, string>;
  /** Links that were found. They are followed when what was found without them is searched. */
  links: Subfolder[];
  /** The base is itself on a file system of the kernel. */
  isInKernel: boolean;
}

/**
 * Walks the folders below one folder, no deeper than the globs match. It reads the names of a
 * folder again only if they may have changed.
 *
 * However many links lead to a folder, it is searched once: at its path without links, or else at
 * the one with the fewest links, the shortest of these, and the first by name. It is searched again
 * only at a path below which other names match.
 */
export class FolderWalk {
  readonly base: string;
  readonly #progress: GlobProgress;
  readonly #rules: WalkRules;
  readonly #paths: Map<string, MatchedPath>;
  readonly #folders = new Map<string, Folder>();

  /** `paths`: the matched paths of all walks of an entry. */
  constructor(base: string, progress: GlobProgress, rules: WalkRules, paths: Map<string, MatchedPath>) {
    this.base = base;
    this.#progress = progress;
    this.#rules = rules;
    this.#paths = paths;
  }

  folderAt(path: string): Folder | undefined {
    return this.#folders.get(path);
  }

  /** Whether something in or below a folder at `path` can match. */
  mayHoldMatches(path: string): boolean {
    return this.#progress.at(path) !== undefined;
  }

  /** Whether `path` is, or is below, a link that is not followed. */
  ignores(path: string): boolean {
    if (this.#rules.followLinks || !isAtOrBelow(path, this.base)) return false;
    for (let at = path; at !== this.base; at = dirname(at))
      if (this.#folders.get(dirname(at))?.ignored.has(at)) return true;
    return false;
  }

  /** Rejects only when aborted. */
  async run(walk: Walk): Promise<void> {
    const base = { path: this.base, link: true, progress: this.#progress.at(this.base) ?? '' };
    const search: Search = { walk, searched: new Set(), keys: new Map(), links: [base], isInKernel: false };
    while (search.links.length > 0) {
      const links = search.links.sort(compareLinks);
      search.links = [];
      for (const link of links) await this.#enter(link, search);
    }
    for (const [path, folder] of this.#folders) {
      if (folder.scan === walk.scan) continue;
      for (const matched of folder.matched) this.#paths.delete(matched.path);
      this.#folders.delete(path);
    }
  }

  async #enter({ path, link, progress }: Subfolder, search: Search): Promise<void> {
    const { walk, searched, keys } = search;
    walk.signal.throwIfAborted();
    if (walk.budget.exceeded !== '') return;
    try {
      const previous = this.#folders.get(path);
      // After a mount the path may be on a network file system, where a synchronous stat may block.
      const atOnce = previous?.local && previous.mounts === walk.mounts && !link;
      const stats = atOnce ? statSync(path, BIGINT) : await stat(path, BIGINT);
      if (!stats.isDirectory()) return;
      if (path === this.base) search.isInKernel = fileSystems.isInKernel(stats.dev);
      else if (fileSystems.isInKernel(stats.dev) && !search.isInKernel) return;
      const key = keyOf(stats);
      const identity = `${key} ${progress}`;
      if (searched.has(identity)) return;
      if (link && path !== this.base && (await isAbove(key, path, keys))) return;
      if (!walk.budget.takeFolder(path)) return;
      searched.add(identity);
      keys.set(path, key);
      const local = atOnce || (await fileSystems.learn(path, stats.dev));
      // An entry that was stopped meanwhile would never drop the watch.
      walk.signal.throwIfAborted();
      // Watch before reading the names, so that later changes have an event.
      const watched = this.#rules.watch(path, key);
      const folder = await this.#namesOf(path, { previous, stats, local, walk });
      this.#folders.set(path, folder);
      for (const { path: at, error } of folder.unusable) walk.onError(at, error);
      await walk.onFolder(folder, watched && folder === previous);
      for (const below of folder.below) {
        if (below.link) search.links.push(below);
        else await this.#enter(below, search);
      }
    } catch (error) {
      walk.signal.throwIfAborted();
      // A link that leads nowhere is no folder. If it matches, it is reported as a file.
      const leadsNowhere = isAbsent(error) || (link && errorCode(error) === 'ELOOP');
      if (!leadsNowhere) walk.onError(path, error as Error);
      else if (path === this.base) await this.#watchAbove(walk.signal);
    }
  }

  async #namesOf(
    path: string,
    now: { previous: Folder | undefined; stats: BigIntStats; local: boolean; walk: Walk },
  ): Promise<Folder> {
    const { previous, stats, local, walk } = now;
    const { mounts, scan, budget } = walk;
    const key = keyOf(stats);
    const same = previous?.key === key;
    if (same && local && previous.ctimeNs !== 0n && previous.ctimeNs === stats.ctimeNs) {
      budget.takeFiles(path, previous.matched.length);
      return Object.assign(previous, { mounts, scan });
    }
    const { files, ...others } = this.#relevantNames(path, await namesIn(path, local));
    const taken = budget.takeFiles(path, files.length);
    const isWhole = taken === files.length;
    const matched = files.slice(0, taken).map(({ path: at, link }) => this.#matchedAt(at, local && !link, link));
    const present = new Set(matched);
    for (const gone of previous?.matched ?? []) if (!present.has(gone)) this.#paths.delete(gone.path);
    const ctimeNs = local && isWhole ? settledCtimeNs(stats.ctimeNs, walk.nowMs) : 0n;
    const changesSilently = same && previous.changesSilently;
    return { path, key, changesSilently, ctimeNs, local, matched, ...others, mounts, scan };
  }

  /** What may be a file or hold files that the globs match. */
  #relevantNames(path: string, names: readonly FolderName[]) {
    const files: { path: string; link: boolean }[] = [];
    const below: Subfolder[] = [];
    const ignored = new Set<string>();
    const unusable: { path: string; error: Error }[] = [];
    for (const child of names) {
      const at = join(path, child.name);
      const link = child.isSymbolicLink();
      if (link && !this.#rules.followLinks) {
        ignored.add(at);
        continue;
      }
      const isMatch = (link || child.isFile()) && (this.#paths.has(at) || this.#rules.matches(at));
      const isFolder = (link || child.isDirectory()) && !this.#rules.excludes(at);
      const progress = isFolder ? this.#progress.at(at) : undefined;
      if (child.notUtf8 === undefined) {
        if (isMatch) files.push({ path: at, link });
        if (progress !== undefined) below.push({ path: at, link, progress });
      } else if (isMatch || progress !== undefined) {
        const kind = isMatch ? 'file' : 'folder';
        const error = new Error(`the ${kind} name is not UTF-8: rename the ${kind}`);
        unusable.push({ path: join(path, child.notUtf8), error });
      }
    }
    // The system's order may differ from scan to scan.
    return { files: files.sort(compareByPath), below: below.sort(compareByPath), ignored, unusable };
  }

  #matchedAt(path: string, local: boolean, link: boolean): MatchedPath {
    let matched = this.#paths.get(path);
    if (!matched) {
      matched = new MatchedPath(path, local, link, this.#rules.followLinks);
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

/** The shorter path comes first, and of two as long the first by name. */
function compareLinks(a: Subfolder, b: Subfolder): number {
  return partsOf(a) - partsOf(b) || compareByPath(a, b);
}

function partsOf({ path }: Subfolder): number {
  return path.split('/').length;
}

function compareByPath(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : 1;
}

/**
 * Whether the folder `key` is one of the folders above `path`: following a link to it would never
 * end. `keys` has the keys of folders that are known, and gets those that are not.
 */
async function isAbove(key: string, path: string, keys: Map<string, string>): Promise<boolean> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const above = keys.get(at) ?? keyOf(await stat(at, BIGINT));
    keys.set(at, above);
    if (above === key) return true;
    if (at === dirname(at)) return false;
  }
}
