import { lstat, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compileGlob, globBase } from '../../../proto/rules/glob.ts';
import { type Clock, systemClock } from '../../../runtime/clock.ts';
import { Slices } from '../../../runtime/slices.ts';
import { type FoundFile, foundFile, isAtOrBelow, keyOf } from '../../model/found-file.ts';
import { fileSystems } from '../files/file-systems.ts';
import { type Folder, FolderWalk, type Walk, type WalkRules } from './folder-walk.ts';
import { GlobProgress } from './glob-progress.ts';
import { LinkTargets } from './link-targets.ts';
import { MatchedPath } from './matched-path.ts';
import { SCAN_LIMITS, ScanBudget, type ScanLimits } from './scan-budget.ts';

export interface ScanResult {
  files: FoundFile[];
  /** Paths that could not be read: folders without permission, dangling links. */
  errors: { path: string; error: Error }[];
  /**
   * Why the scan ended before it had searched everything, with the remedy. Files that it did not
   * find may still be there.
   */
  incomplete?: string;
}

/** Which files an entry collects. */
export interface FileSelection {
  paths: readonly string[];
  exclude: readonly string[];
  /** Whether symbolic links below the globs' bases are followed. Default: true. */
  followLinks?: boolean | undefined;
}

/** Where the agent begins to read a file that it sees for the first time. */
export type StartRule = (file: FoundFile) => 'beginning' | 'end';

export interface ScanRules {
  start: StartRule;
  /** Whether the entry matches a path. */
  matches(path: string): boolean;
  /** More folders in which to search for files that left their path. */
  folders?: readonly string[];
  /** How many sources were tracked before the walk. The walk may not have seen later ones. */
  since: number;
}

/** Where file events come from. Without one, each scan observes each file. */
export interface FileEventSource {
  watch: WalkRules['watch'];
  /** Whether events may have been lost since the last call. */
  mayHaveLostEvents(): boolean;
}

const NO_EVENTS: FileEventSource = { watch: () => false, mayHaveLostEvents: () => true };
/**
 * In a watched folder, each scan observes one of so many files that had no event. At the default
 * interval every file is observed at least once in half a minute.
 */
const SHARES = 6;
const STATS_AT_ONCE = 32;
/** A change without an event for this long never gets one. */
const EVENT_DELAY_MS_MAX = 2_000;

/**
 * Finds the files of one entry. Events are only a faster way to what a scan finds.
 * It walks the folders below the globs' bases, no deeper than the globs match, and keeps what it
 * found, so that the next scan observes only what may have changed.
 */
export class Discovery {
  /** The folders (or single files) at or below which a path can match. */
  readonly bases: readonly string[];
  readonly #matches: ((path: string) => boolean)[];
  readonly #excluded: ((path: string) => boolean)[];
  readonly #followLinks: boolean;
  readonly #limits: ScanLimits;
  readonly #events: FileEventSource;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #paths = new Map<string, MatchedPath>();
  readonly #walks: FolderWalk[] = [];
  readonly #links: LinkTargets;
  /** Paths without wildcards. */
  readonly #single: MatchedPath[] = [];
  #scans = 0;

  constructor(
    { paths, exclude, followLinks = true }: FileSelection,
    events = NO_EVENTS,
    clock: Pick<Clock, 'nowMs'> = systemClock,
    limits = SCAN_LIMITS,
  ) {
    this.#events = events;
    this.#links = new LinkTargets(events.watch);
    this.#clock = clock;
    this.#limits = limits;
    this.#followLinks = followLinks;
    this.#matches = paths.map(compileGlob);
    this.#excluded = exclude.map(compileGlob);
    const globs = Map.groupBy(paths, globBase);
    this.bases = [...globs.keys()];
    const rules: WalkRules = {
      matches: (path) => this.#isSelected(path),
      excludes: (folder) => this.#isExcludedFolder(folder),
      followLinks,
      watch: events.watch,
    };
    for (const [base, own] of globs) {
      const wild = own.filter((glob) => glob !== base);
      if (wild.length > 0) this.#walks.push(new FolderWalk(base, new GlobProgress(wild, exclude), rules, this.#paths));
      else if (this.#isSelected(base)) this.#single.push(new MatchedPath(base, false, true));
    }
  }

  /** Whether the entry collects what is at `path`, if that is a file. */
  matches(path: string): boolean {
    return this.#isSelected(path) && !this.#walks.some((walk) => walk.ignores(path));
  }

  /** Whether a folder at `path` may hold matches, or leads to folders that may. */
  mayHoldMatches(path: string): boolean {
    if (this.bases.some((base) => isAtOrBelow(base, path))) return true;
    return this.#walks.some((walk) => walk.mayHoldMatches(path)) && !this.#isExcludedFolder(path);
  }

  /** What the last scan found in the folder at `path`. The caller must not change it. */
  folderAt(path: string): Folder | undefined {
    for (const walk of this.#walks) {
      const folder = walk.folderAt(path);
      if (folder) return folder;
    }
    return undefined;
  }

  /** The links among the entry's paths that lead to or over `path`. */
  linksTo(path: string): Iterable<string> {
    return this.#links.linksTo(path);
  }

  /** Whether a folder can be polled instead of watched: all of its files that matter match. */
  mayPoll(folder: string): boolean {
    if (this.folderAt(folder)?.local !== true) return false;
    return this.#links.pathsIn(folder).every((path) => this.#paths.has(path));
  }

  /** Makes the next scan observe what is at `path`. */
  markStale(path: string): void {
    const matched = this.#paths.get(path);
    if (matched) matched.stale = true;
  }

  /**
   * The file at `path`; undefined if it does not match or is not a regular file. Rejects with the
   * system's error.
   */
  async observe(path: string): Promise<FoundFile | undefined> {
    const matched = this.#paths.get(path);
    if (matched) {
      await matched.observe();
      return matched.file;
    }
    if (!this.matches(path)) return undefined;
    return foundFile(path, await (this.#followLinks ? stat : lstat)(path, { bigint: true }));
  }

  /**
   * All files that match now. Rejects only when aborted; `result` then has what it found so far.
   */
  async scan(signal: AbortSignal, result: ScanResult = { files: [], errors: [] }): Promise<ScanResult> {
    const scan = ++this.#scans;
    const nowMs = this.#clock.nowMs();
    const complete = !this.#events.mayHaveLostEvents();
    const { files, errors } = result;
    const onError = (path: string, error: Error) => errors.push({ path, error });
    const later: MatchedPath[] = [];
    const slices = new Slices();
    const onFolder = async (folder: Folder, watched: boolean) => {
      const { matched } = folder;
      // Folders without matches take time, too.
      if (slices.isOver) await slices.startNext();
      signal.throwIfAborted();
      let share = scan % SHARES;
      for (const one of matched) {
        share = share === 0 ? SHARES - 1 : share - 1;
        if (one.scan === scan) continue;
        one.scan = scan;
        if (!one.local) later.push(one);
        else if (watched && complete && one.isQuiet && share !== 0 && !folder.changesSilently)
          files.push(one.file as FoundFile);
        else if (observeMatched(one, files, onError) && watched && complete)
          folder.changesSilently ||= isEventOverdue(one, nowMs);
        if (!slices.isOver) continue;
        await slices.startNext();
        signal.throwIfAborted();
      }
    };
    const budget = new ScanBudget(this.#limits);
    const walk: Walk = { scan, mounts: fileSystems.refresh(), nowMs, signal, budget, onFolder, onError };
    for (const each of this.#walks) await each.run(walk);
    if (budget.exceeded !== '') result.incomplete = budget.exceeded;
    for (const one of this.#single) if (this.#paths.get(one.path)?.scan !== scan) later.push(one);
    await this.#observeSlow(later, { files, onError, signal });
    return result;
  }

  #isSelected(path: string): boolean {
    return this.#matches.some((match) => match(path)) && !this.#excluded.some((match) => match(path));
  }

  /** Whether the globs exclude everything below a folder, as `**\/x/**` does for x. */
  #isExcludedFolder(path: string): boolean {
    return this.#excluded.some((match) => match(join(path, 'x')) && match(join(path, 'x', 'x')));
  }

  /** Observes links and files on other than local file systems, which may take long. */
  async #observeSlow(
    paths: readonly MatchedPath[],
    { files, onError, signal }: { files: FoundFile[]; onError: Walk['onError']; signal: AbortSignal },
  ): Promise<void> {
    for (let at = 0; at < paths.length; at += STATS_AT_ONCE) {
      signal.throwIfAborted();
      const observed = paths.slice(at, at + STATS_AT_ONCE);
      await Promise.all(observed.map((one) => this.#observeOne(one, onError, signal)));
      // In the order of the walk: of two links to a new file the first gives it its path.
      for (const { file } of observed) if (file) files.push(file);
    }
    this.#links.scanned();
    for (const one of this.#single) await this.#watchFolderOf(one.path, signal);
  }

  /** Before a folder behind a link was watched, the file may have changed without an event. */
  async #observeOne(one: MatchedPath, onError: Walk['onError'], signal: AbortSignal): Promise<void> {
    const observe = () => one.observe().catch((error: Error) => onError(one.path, error));
    await observe();
    if (one.link && !(await this.#links.watch(one, signal))) await observe();
  }

  /** Its folder has an event when the file is created or replaced. */
  async #watchFolderOf(path: string, signal: AbortSignal): Promise<void> {
    const folder = dirname(path);
    try {
      const key = keyOf(await stat(folder, { bigint: true }));
      if (!signal.aborted) this.#events.watch(folder, key);
    } catch {
      // Observing the file itself reports the error.
    }
  }
}

/** Whether the file changed so long ago that its event would have arrived. */
function isEventOverdue({ file }: MatchedPath, nowMs: number): boolean {
  return file !== undefined && nowMs - Number(file.ctimeNs / 1_000_000n) > EVENT_DELAY_MS_MAX;
}

/** Returns whether the file changed without an event. */
function observeMatched(one: MatchedPath, files: FoundFile[], onError: Walk['onError']): boolean {
  const { isQuiet: quiet, file } = one;
  try {
    one.observeSync();
    if (one.file) files.push(one.file);
    return quiet && one.file !== file;
  } catch (error) {
    onError(one.path, error as Error);
    return false;
  }
}

/**
 * Whether the scan did not search `path`: it could not read it or a folder above it, or ended
 * before. Then a file may still be there.
 */
export function isUnreadable(path: string, { errors, incomplete }: ScanResult): boolean {
  return incomplete !== undefined || errors.some((error) => isAtOrBelow(path, error.path));
}
