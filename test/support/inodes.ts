import { rename, stat, unlink, writeFile } from 'node:fs/promises';

const ATTEMPTS_MAX = 200;

/**
 * Creates files until one gets the inode number, and moves that to `path`. false: none gets it.
 */
export async function createWithInode(path: string, inode: number, content: string): Promise<boolean> {
  const others: string[] = [];
  let isFound = false;
  while (!isFound && others.length < ATTEMPTS_MAX) {
    const candidate = `${path}.${others.length}.tmp`;
    await writeFile(candidate, content);
    isFound = (await stat(candidate)).ino === inode;
    if (isFound) await rename(candidate, path);
    else others.push(candidate);
  }
  for (const other of others) await unlink(other);
  return isFound;
}
