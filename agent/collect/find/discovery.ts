import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compileGlob, globBase } from '../../../proto/rules/glob.ts';
import { type Clock, systemClock } from '../../../runtime/clock.ts';
import { Slices } from '../../../runtime/slices.ts';
import { type FoundFile, foundFile, isAtOrBelow, keyOf } from '../../model/found-file.ts';
import { fileSystems } from '../files/file-systems.ts';
import { type Folder, FolderWalk, type Walk, type WalkRules } from './folder-walk.ts';
import { MatchedPath } from './matched-path.ts';

export interface ScanResult {
  files: FoundFile[];
  /** What could not be looked at: folders without permission, links to nowhere. */
  errors: { path: string; error: Error }[];
}

/** Where a file met for the first time is read from. */
export type StartRule = (file: FoundFile) => 'beginning' | 'end';

export interface ScanRules {
  start: StartRule;
  /** Whether the entry still wants what is at a path. */
  matches(path: string): boolean;
  /** Where to look, too, for files that have left their path. */
  folders?: readonly string[];
  /** How many sources were tracked before the walk: what came since then it may not have seen. */
  since: number;
}

/** What gives hints between scans. Without it each scan looks at each file. */
export interface FileEvents {
  watch: WalkRules['watch'];
  /** Whether hints may have been lost since it was asked last. */
  lost(): boolean;
}

const NO_EVENTS: FileEvents = { watch: () => false, lost: () => true };
/** Of files in a watched folder of which there was no hint each scan looks at one of so many: all of them in half a minute. */
const SHARES = 6;
const STATS_AT_ONCE = 32;
/** Later than that no hint of a change comes. */
const HINT_MS_MAX = 2_000;

/**
 * Finds the files of one entry: the truth that watchers only hint at. Walks below the globs' bases, no deeper than the globs go. What it has
 * found it keeps, for the next scan to look only at what may have changed.
 */
export class Discovery {
  /** The folders (or single files) below which matches can be. */
  readonly bases: readonly string[];
  readonly #matches: ((path: string) => boolean)[];
  readonly #excluded: ((path: string) => boolean)[];
  readonly #depths: ReadonlyMap<string, number>;
  readonly #hints: FileEvents;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #paths = new Map<string, MatchedPath>();
  readonly #walks: FolderWalk[] = [];
  /** Paths without magic. */
  readonly #single: MatchedPath[] = [];
  #scans = 0;

  constructor(
    globs: { paths: readonly string[]; exclude: readonly string[] },
    hints = NO_EVENTS,
    clock: Pick<Clock, 'nowMs'> = systemClock,
  ) {
    this.#hints = hints;
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
      watch: hints.watch,
    };
    for (const [base, depth] of depths) {
      if (depth > 0) this.#walks.push(new FolderWalk(base, depth, rules, this.#paths));
      else if (this.matches(base)) this.#single.push(new MatchedPath(base, false, true));
    }
  }

  matches(path: string): boolean {
    return this.#matches.some((match) => match(path)) && !this.#excluded.some((match) => match(path));
  }

  /** Whether there may be matches below a folder at `path`, or one leads to them. */
  leadsOn(path: string): boolean {
    for (const [base, depth] of this.#depths) {
      if (isAtOrBelow(base, path)) return true;
      if (isAtOrBelow(path, base) && levelsBelow(path, base) < depth) return !this.#isExcludedFolder(path);
    }
    return false;
  }

  /** What the last scan found in the folder at `path`; it is not to be changed. */
  folderAt(path: string): Folder | undefined {
    for (const walk of this.#walks) {
      const folder = walk.folderAt(path);
      if (folder) return folder;
    }
    return undefined;
  }

  /** Something happened at `path`: the next scan looks at it. */
  touched(path: string): void {
    const matched = this.#paths.get(path);
    if (matched) matched.stale = true;
  }

  /** The file at `path`; undefined when it does not match or is no regular file. Rejects with the system's error. */
  async look(path: string): Promise<FoundFile | undefined> {
    const matched = this.#paths.get(path);
    if (matched) {
      await matched.look();
      return matched.file;
    }
    return this.matches(path) ? foundFile(path, await stat(path, { bigint: true })) : undefined;
  }

  /** All files that match now. Rejects only when aborted; what it has found by then is in `result`. */
  async scan(signal: AbortSignal, result: ScanResult = { files: [], errors: [] }): Promise<ScanResult> {
    const scan = ++this.#scans;
    const nowMs = this.#clock.nowMs();
    const quiet = !this.#hints.lost();
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
        else if (watched && quiet && one.quiet && share !== 0 && !folder.silent) files.push(one.file as FoundFile);
        else if (lookAtOnce(one, files, onError) && watched && quiet) folder.silent ||= isLongAgo(one, nowMs);
        if (!slices.over) continue;
        await slices.next();
        signal.throwIfAborted();
      }
    };
    const walk: Walk = { scan, mounts: fileSystems.refresh(), nowMs, signal, onFolder, onError };
    for (const each of this.#walks) await each.run(walk);
    for (const one of this.#single) if (this.#paths.get(one.path)?.scan !== scan) later.push(one);
    await this.#lookLater(later, { files, onError, signal });
    return result;
  }

  /** `**\/x/**` excludes everything below x: no need to go there. */
  #isExcludedFolder(path: string): boolean {
    return this.#excluded.some((match) => match(join(path, 'x')) && match(join(path, 'x', 'x')));
  }

  /** What may have to be waited for, or where links lead. */
  async #lookLater(
    paths: readonly MatchedPath[],
    { files, onError, signal }: { files: FoundFile[]; onError: Walk['onError']; signal: AbortSignal },
  ): Promise<void> {
    for (let at = 0; at < paths.length; at += STATS_AT_ONCE) {
      signal.throwIfAborted();
      const looked = paths.slice(at, at + STATS_AT_ONCE).map(async (one) => {
        await one.look().catch((error: Error) => onError(one.path, error));
        if (!one.file) return;
        files.push(one.file);
        // A link's folder does not tell what becomes of the file that it leads to.
        if (one.link && !signal.aborted) this.#hints.watch(one.path, one.file.key, 'file');
      });
      await Promise.all(looked);
    }
    for (const one of this.#single) await this.#watchFolderOf(one.path, signal);
  }

  /** Which tells when the file comes, or is replaced. */
  async #watchFolderOf(path: string, signal: AbortSignal): Promise<void> {
    const folder = dirname(path);
    try {
      const key = keyOf(await stat(folder, { bigint: true }));
      if (!signal.aborted) this.#hints.watch(folder, key, 'folder');
    } catch {
      // The look at the file itself tells what is wrong.
    }
  }
}

/** Whether it changed so long before that a hint would have come. */
function isLongAgo({ file }: MatchedPath, nowMs: number): boolean {
  return file !== undefined && nowMs - Number(file.ctimeNs / 1_000_000n) > HINT_MS_MAX;
}

/** Returns whether it has changed without a hint. */
function lookAtOnce(one: MatchedPath, files: FoundFile[], onError: Walk['onError']): boolean {
  const { quiet, file } = one;
  try {
    one.lookAtOnce();
    if (one.file) files.push(one.file);
    return quiet && one.file !== file;
  } catch (error) {
    onError(one.path, error as Error);
    return false;
  }
}

/** Whether the scan could not look at `path`, so that it may be there. */
export function isHidden(path: string, { errors }: ScanResult): boolean {
  return errors.some((error) => isAtOrBelow(path, error.path));
}

function depthBelow(glob: string, base: string): number {
  if (base === glob) return 0;
  if (glob.includes('**')) return Number.POSITIVE_INFINITY;
  // A brace or bracket may hold slashes of its own: one level too many does no harm.
  return levelsBelow(glob, base);
}

function levelsBelow(path: string, base: string): number {
  if (path === base) return 0;
  const prefix = base === '/' ? '/' : `${base}/`;
  return path.slice(prefix.length).split('/').length;
}
