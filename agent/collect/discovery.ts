import type { BigIntStats, Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compileGlob, globBase } from '../../proto/rules/glob.ts';
import { errorCode } from '../../runtime/errors.ts';

/** A regular file that an entry's globs match; links are followed. */
export interface FoundFile {
  path: string;
  device: bigint;
  inode: bigint;
  size: number;
  changedMs: number;
  /** When its bytes, names or rights last changed (ctime), ns: it can't be set back. */
  touchedNs: bigint;
  /** When it was created; 0 where the file system does not say. */
  bornMs: number;
}

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
}

const STATS_AT_ONCE = 32;
/** What Node puts in the place of bytes that are no UTF-8: such a path leads nowhere. */
const NOT_UTF8 = '\uFFFD';

/**
 * Finds the files of one entry: the truth that watchers only hint at. Walks below the globs' bases, no deeper than the globs go.
 */
export class Discovery {
  /** The folders (or single files) below which matches can be. */
  readonly bases: readonly string[];
  readonly #matches: ((path: string) => boolean)[];
  readonly #excluded: ((path: string) => boolean)[];
  readonly #depths: ReadonlyMap<string, number>;

  constructor(globs: { paths: readonly string[]; exclude: readonly string[] }) {
    this.#matches = globs.paths.map(compileGlob);
    this.#excluded = globs.exclude.map(compileGlob);
    const depths = new Map<string, number>();
    for (const glob of globs.paths) {
      const base = globBase(glob);
      depths.set(base, Math.max(depths.get(base) ?? 0, depthBelow(glob, base)));
    }
    this.#depths = depths;
    this.bases = [...depths.keys()];
  }

  matches(path: string): boolean {
    return this.#matches.some((match) => match(path)) && !this.#excluded.some((match) => match(path));
  }

  /** How many folders below `base` a match can be. */
  depth(base: string): number {
    return this.#depths.get(base) ?? 0;
  }

  /** The file at `path`; undefined when it does not match or is no regular file. Rejects with the system's error. */
  async look(path: string): Promise<FoundFile | undefined> {
    if (!this.matches(path)) return undefined;
    return foundFile(path, await stat(path, { bigint: true }));
  }

  /** All files that match now. Rejects only when aborted. */
  async scan(signal: AbortSignal): Promise<ScanResult> {
    const found = new Set<string>();
    const errors: ScanResult['errors'] = [];
    for (const [base, depth] of this.#depths) {
      if (depth === 0) found.add(base);
      else await this.#walk(base, depth, found, errors, signal);
    }
    const files = await this.#stat([...found], errors, signal);
    return { files, errors };
  }

  async #walk(
    folder: string,
    depth: number,
    found: Set<string>,
    errors: ScanResult['errors'],
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    let children: Dirent[];
    try {
      children = await readdir(folder, { withFileTypes: true });
    } catch (error) {
      if (!isAbsent(error)) errors.push({ path: folder, error: error as Error });
      return;
    }
    for (const child of children) {
      const path = join(folder, child.name);
      if (child.isFile() || child.isSymbolicLink()) {
        if (this.matches(path)) found.add(path);
      }
      if (depth > 1 && (await isFolder(child, path)) && !this.#isExcludedFolder(path)) {
        await this.#walk(path, depth - 1, found, errors, signal);
      }
    }
  }

  /** `**\/x/**` excludes everything below x: no need to go there. */
  #isExcludedFolder(path: string): boolean {
    return this.#excluded.some((match) => match(join(path, 'x')) && match(join(path, 'x', 'x')));
  }

  async #stat(paths: string[], errors: ScanResult['errors'], signal: AbortSignal): Promise<FoundFile[]> {
    const files: FoundFile[] = [];
    for (let at = 0; at < paths.length; at += STATS_AT_ONCE) {
      signal.throwIfAborted();
      const looked = paths.slice(at, at + STATS_AT_ONCE).map(async (path) => {
        try {
          const file = await this.look(path);
          if (file) files.push(file);
        } catch (error) {
          if (path.includes(NOT_UTF8)) errors.push({ path, error: new Error('its name is not UTF-8: rename it') });
          else if (!isAbsent(error)) errors.push({ path, error: error as Error });
        }
      });
      await Promise.all(looked);
    }
    return files;
  }
}

/** What `stats` say of the file at `path`; undefined when it is no regular file. */
export function foundFile(path: string, stats: BigIntStats): FoundFile | undefined {
  if (!stats.isFile()) return undefined;
  return {
    path,
    device: stats.dev,
    inode: stats.ino,
    size: Number(stats.size),
    changedMs: Number(stats.mtimeMs),
    touchedNs: stats.ctimeNs,
    bornMs: Number(stats.birthtimeMs),
  };
}

/** Whether the scan could not look at `path`, so that it may be there. */
export function isHidden(path: string, { errors }: ScanResult): boolean {
  return errors.some((error) => isAtOrBelow(path, error.path));
}

export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

function depthBelow(glob: string, base: string): number {
  if (base === glob) return 0;
  if (glob.includes('**')) return Number.POSITIVE_INFINITY;
  const prefix = base === '/' ? '/' : `${base}/`;
  // A brace or bracket may hold slashes of its own: one level too many does no harm.
  return glob.slice(prefix.length).split('/').length;
}

/** Whether to go on below `child`. Links to folders are followed, unless they lead back to a folder that we are in. */
async function isFolder(child: Dirent, path: string): Promise<boolean> {
  if (child.isDirectory()) return true;
  if (!child.isSymbolicLink()) return false;
  try {
    const target = await stat(path, { bigint: true });
    return target.isDirectory() && !(await isAbove(target, path));
  } catch {
    // A dangling link is no folder; as a file it is reported by the caller.
    return false;
  }
}

/** Whether one of the folders that lead to `path` is `folder`: following it would go round for ever. */
async function isAbove(folder: BigIntStats, path: string): Promise<boolean> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const { dev, ino } = await stat(at, { bigint: true });
    if (dev === folder.dev && ino === folder.ino) return true;
    if (at === dirname(at)) return false;
  }
}

function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
