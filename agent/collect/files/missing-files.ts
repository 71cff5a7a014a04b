import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '../../../runtime/errors.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';

/** The most names of a folder that are looked at. */
const NAMES_MAX = 20_000;
const STATS_AT_ONCE = 32;

/**
 * Looks for files that are not where they were: in the folder that they were in, one folder below it, and in `folders`. Returns where each was
 * found, by its inode: whether it is still the same file is to be seen when it is open.
 */
export async function findMoved(
  missing: readonly Checkpoint[],
  folders: readonly string[],
): Promise<Map<Checkpoint, string>> {
  const wanted = Map.groupBy(missing, ({ inode }) => inode);
  const found = new Map<Checkpoint, string>();
  const near = new Set(missing.map(({ path }) => dirname(path)));
  for (const folder of near) {
    for (const below of await lookIn(folder, wanted, found)) await lookIn(below, wanted, found);
  }
  for (const folder of folders) if (!near.has(folder)) await lookIn(folder, wanted, found);
  return found;
}

/** Looks at each name of a folder; returns the folders below it. */
async function lookIn(
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
 * Whether the file system that has `path` is there, as far as can be told: the nearest folder that there is, or a file in the same folder,
 * is on `device`. What is on a disk that is not mounted is not gone.
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
