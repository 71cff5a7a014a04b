import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '../../../runtime/errors.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { inodeOf, type RealFolder } from '../../model/found-file.ts';

/** The most files or folders of a folder that are checked. */
const NAMES_MAX = 20_000;
const STATS_AT_ONCE = 32;

/**
 * Searches for files that left their paths:
 * - in the folder of each path, and in the folder where the file lay, which is another one if the
 *   path has a link;
 * - in that folder where it is now, if it or a folder above it was renamed;
 * - one level below these folders, and in `folders`.
 *
 * Returns the path at which each inode was found. The caller opens it and checks that it is still
 * the same file.
 */
export async function findMovedFiles(
  missing: readonly Checkpoint[],
  folders: readonly string[],
): Promise<Map<Checkpoint, string>> {
  const search = new InodeSearch(missing);
  for (const checkpoint of missing) {
    await search.searchNear(dirname(checkpoint.path));
    await search.searchNear(checkpoint.folder?.path ?? (await linkedFolder(checkpoint.path)));
  }
  const renamed = new Map<bigint, RealFolder>();
  for (const { folder } of search.left) if (folder) renamed.set(folder.inode, folder);
  const subfolders = new Subfolders();
  for (const folder of renamed.values()) await search.searchNear(await renamedFolder(folder, subfolders));
  for (const folder of folders) await search.searchIn(folder);
  return search.found;
}

/** Searches folders for files with the inodes of some checkpoints. Each folder is searched once. */
class InodeSearch {
  readonly found = new Map<Checkpoint, string>();
  readonly #missing: readonly Checkpoint[];
  readonly #wanted: ReadonlyMap<bigint, Checkpoint[]>;
  /** The folders in each folder that was searched. */
  readonly #searched = new Map<string, readonly string[]>();

  constructor(missing: readonly Checkpoint[]) {
    this.#missing = missing;
    this.#wanted = Map.groupBy(missing, ({ inode }) => inode);
  }

  /** The checkpoints whose inodes are not found yet. */
  get left(): Checkpoint[] {
    return this.#missing.filter((checkpoint) => !this.found.has(checkpoint));
  }

  /** Searches a folder and the folders in it. */
  async searchNear(folder: string | undefined): Promise<void> {
    if (folder === undefined) return;
    for (const below of await this.searchIn(folder)) await this.searchIn(below);
  }

  /** Checks each file of a folder. Returns the folders in it. */
  async searchIn(folder: string): Promise<readonly string[]> {
    const searched = this.#searched.get(folder);
    if (searched) return searched;
    const children = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const files = children.filter((child) => child.isFile()).map(({ name }) => join(folder, name));
    for await (const [path, { device, inode }] of identitiesOf(files)) {
      // Another file system may have a file with the same inode.
      for (const checkpoint of this.#wanted.get(inode) ?? [])
        if (!this.found.has(checkpoint) || device === checkpoint.device) this.found.set(checkpoint, path);
    }
    const below = children.filter((child) => child.isDirectory()).map(({ name }) => join(folder, name));
    this.#searched.set(folder, below);
    return below;
  }
}

/** The folder of the file to which a link leads. undefined: `path` is no link, or leads nowhere. */
async function linkedFolder(path: string): Promise<string | undefined> {
  return realpath(path).then(dirname, () => undefined);
}

/**
 * Where a folder is that is not at its path. A rename moves one folder of a path: it, or one above
 * it. So each of them is searched beside its path and one level below, except in `/`, whose folders
 * are often other file systems. undefined: it is at its path, or was not found.
 */
async function renamedFolder({ path, inode }: RealFolder, subfolders: Subfolders): Promise<string | undefined> {
  for await (const [, found] of identitiesOf([path])) if (found.inode === inode) return undefined;
  for (let at = path; dirname(at) !== dirname(dirname(at)); at = dirname(at)) {
    const rest = path.slice(at.length);
    const candidates = await subfolders.twoLevelsBelow(dirname(at));
    for await (const [candidate, found] of identitiesOf(candidates.map((folder) => folder + rest)))
      if (found.inode === inode) return candidate;
  }
  return undefined;
}

/** Lists folders, each once: many missing folders may have been beside each other. */
class Subfolders {
  readonly #listed = new Map<string, readonly string[]>();

  /** The folders in `folder`, and then those in these. */
  async twoLevelsBelow(folder: string): Promise<readonly string[]> {
    const known = this.#listed.get(folder);
    if (known) return known;
    const near = await foldersIn(folder);
    const further: string[] = [];
    for (const one of near) further.push(...(await foldersIn(one)));
    const all = [...near, ...further].slice(0, NAMES_MAX);
    this.#listed.set(folder, all);
    return all;
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const children = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return children.filter((child) => child.isDirectory()).map(({ name }) => join(folder, name));
}

/** The paths that exist, with their device and inode; at most NAMES_MAX. */
async function* identitiesOf(
  paths: readonly string[],
): AsyncGenerator<[path: string, { device: bigint; inode: bigint }]> {
  const all = paths.slice(0, NAMES_MAX);
  for (let at = 0; at < all.length; at += STATS_AT_ONCE) {
    const some = all.slice(at, at + STATS_AT_ONCE);
    const stats = await Promise.all(some.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
    for (const [index, path] of some.entries()) {
      const found = stats[index];
      if (found) yield [path, { device: found.dev, inode: inodeOf(found) }];
    }
  }
}

/**
 * Whether the file system of `folder` seems mounted: it, or the nearest existing folder above it,
 * is on `device`. A file on a disk that is not mounted was not deleted.
 */
export async function isMounted(folder: string, device: bigint): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    try {
      const { dev } = await stat(at, { bigint: true });
      return dev === device;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || at === dirname(at)) return false;
    }
  }
}
