import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '../../../runtime/errors.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';

/** The most files of a folder that are checked. */
const NAMES_MAX = 20_000;
const STATS_AT_ONCE = 32;

/**
 * Searches for files that left their paths: in the folder where each was, one level below it, and
 * in `folders`. Returns the path at which each inode was found. The caller opens it and checks that
 * it is still the same file.
 */
export async function findMovedFiles(
  missing: readonly Checkpoint[],
  folders: readonly string[],
): Promise<Map<Checkpoint, string>> {
  const wanted = Map.groupBy(missing, ({ inode }) => inode);
  const found = new Map<Checkpoint, string>();
  const near = new Set(missing.map(({ path }) => dirname(path)));
  for (const folder of near) {
    for (const below of await searchFolder(folder, wanted, found)) await searchFolder(below, wanted, found);
  }
  for (const folder of folders) if (!near.has(folder)) await searchFolder(folder, wanted, found);
  return found;
}

/** Checks each file of a folder. Returns the folders in it. */
async function searchFolder(
  folder: string,
  wanted: ReadonlyMap<bigint, Checkpoint[]>,
  found: Map<Checkpoint, string>,
): Promise<string[]> {
  const children = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files = children.filter((child) => child.isFile()).slice(0, NAMES_MAX);
  for (let at = 0; at < files.length; at += STATS_AT_ONCE) {
    const looked = files.slice(at, at + STATS_AT_ONCE).map(async ({ name }) => {
      const path = join(folder, name);
      const ino = await stat(path, { bigint: true }).then(
        (stats) => stats.ino,
        () => undefined,
      );
      if (ino === undefined) return;
      for (const checkpoint of wanted.get(ino) ?? []) if (!found.has(checkpoint)) found.set(checkpoint, path);
    });
    await Promise.all(looked);
  }
  return children.filter((child) => child.isDirectory()).map(({ name }) => join(folder, name));
}

/**
 * Whether the file system of `path` seems mounted: the nearest existing folder above it is on
 * `device`. A file on a disk that is not mounted was not deleted.
 */
export async function isMounted(path: string, device: bigint): Promise<boolean> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      const { dev } = await stat(folder, { bigint: true });
      return dev === device;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || folder === dirname(folder)) return false;
    }
  }
}
