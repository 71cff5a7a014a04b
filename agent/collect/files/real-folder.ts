import { readlinkSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inodeOf, type RealFolder } from '../../model/found-file.ts';
import { isLocal } from './file-io.ts';

/**
 * The folder in which an open file lies, as the kernel knows it: without links, and also after the
 * file or a folder above it was renamed. undefined: unknown, because the folder was deleted, its
 * path is not UTF-8, or there is no /proc.
 */
export async function realFolder(fd: number): Promise<RealFolder | undefined> {
  try {
    // " (deleted)" after a deleted name (proc_pid_fd(5)) does not change the folder.
    const path = dirname(readlinkSync(`/proc/self/fd/${fd}`));
    const stats = isLocal(fd) ? statSync(path, { bigint: true }) : await stat(path, { bigint: true });
    return { path, inode: inodeOf(stats) };
  } catch {
    // A file whose folder is unknown is searched near its path.
    return undefined;
  }
}

export function isSameFolder(one: RealFolder | undefined, other: RealFolder | undefined): boolean {
  return one?.path === other?.path && one?.inode === other?.inode;
}
