import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compileGlob, globBase } from '../../../proto/rules/glob.ts';
import { type Clock, systemClock } from '../../../runtime/clock.ts';
import { Slices } from '../../../runtime/slices.ts';
import { type FoundFile, foundFile, isAtOrBelow, keyOf } from '../../model/found-file.ts';
import { fileSystems } from '../files/file-systems.ts';
import { type Folder, FolderWalk, type Walk, type WalkRules } from './folder-walk.ts';
import { LinkTargets } from './link-targets.ts';
import { MatchedPath } from './matched-path.ts';

export interface ScanResult {
  files: FoundFile[];
  /** Paths that could not be read: folders without permission, dangling links. */
  errors: { path: string; error: Error }[];
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
  readonly #depths: ReadonlyMap<string, number>;
  readonly #events: FileEventSource;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #paths = new Map<string, MatchedPath>();
  readonly #walks: FolderWalk[] = [];
  readonly #links: LinkTargets;
  /** Paths without wildcards. */
  readonly #single: MatchedPath[] = [];
  #scans = 0;

  constructor(
    globs: { paths: readonly string[]; exclude: readonly string[] },
    events = NO_EVENTS,
    clock: Pick<Clock, 'nowMs'> = systemClock,
  ) {
    this.#events = events;
    this.#links = new LinkTargets(events.watch);
    this.#clock = clock;
    this.#matches = globs.paths.map(compileGlob);
    this.#excluded = globs.exclude.map(compileGlob);
    const depths = new Map<string, number>();
    for (const glob of globs.paths) {
      const base = globBase(glob);
      depths.set(base, Math.max(depths.get(base) ?? 0, depthBelow(glob, base)));
    }
    this.#depths = depths;
    this.bases = [...depths.keys()];
    const rules: WalkRules = {
      matches: (path) => this.matches(path),
      excludes: (folder) => this.#isExcludedFolder(folder),
      watch: events.watch,
    };
    for (const [base, depth] of depths) {
      if (depth > 0) this.#walks.push(new FolderWalk(base, depth, rules, this.#paths));
      else if (this.matches(base)) this.#single.push(new MatchedPath(base, false, true));
    }
  }

  matches(path: string): boolean {
    return this.#matches.some((match) => match(path)) && !this.#excluded.some((match) => match(path));
  }

  /** Whether a folder at `path` may hold matches, or leads to folders that may. */
  mayHoldMatches(path: string): boolean {
    for (const [base, depth] of this.#depths) {
      if (isAtOrBelow(base, path)) return true;
      if (isAtOrBelow(path, base) && levelsBelow(path, base) < depth) return !this.#isExcludedFolder(path);
    }
    return false;
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
    return this.matches(path) ? foundFile(path, await stat(path, { bigint: true })) : undefined;
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
    const walk: Walk = { scan, mounts: fileSystems.refresh(), nowMs, signal, onFolder, onError };
    for (const each of this.#walks) await each.run(walk);
    for (const one of this.#single) if (this.#paths.get(one.path)?.scan !== scan) later.push(one);
    await this.#observeSlow(later, { files, onError, signal });
    return result;
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
      const observed = paths.slice(at, at + STATS_AT_ONCE).map(async (one) => {
        const observe = () => one.observe().catch((error: Error) => onError(one.path, error));
        await observe();
        if (one.link && !(await this.#links.watch(one, signal))) await observe();
        if (one.file) files.push(one.file);
      });
      await Promise.all(observed);
    }
    this.#links.scanned();
    for (const one of this.#single) await this.#watchFolderOf(one.path, signal);
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

/** Whether the scan could not read `path` or a folder above it. Then a file may still be there. */
export function isUnreadable(path: string, { errors }: ScanResult): boolean {
  return errors.some((error) => isAtOrBelow(path, error.path));
}

function depthBelow(glob: string, base: string): number {
  if (base === glob) return 0;
  if (glob.includes('**')) return Number.POSITIVE_INFINITY;
  // A brace or bracket may contain slashes: one level too many does no harm.
  return levelsBelow(glob, base);
}

function levelsBelow(path: string, base: string): number {
  if (path === base) return 0;
  const prefix = base === '/' ? '/' : `${base}/`;
  return path.slice(prefix.length).split('/').length;
}
