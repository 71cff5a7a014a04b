import type { BigIntStats } from 'node:fs';
import { errorCode } from '../../runtime/errors.ts';

/** A regular file that an entry's globs match; links are followed. */
export interface FoundFile {
  path: string;
  device: bigint;
  inode: bigint;
  /** Its `fileKey`. */
  key: string;
  size: number;
  changedMs: number;
  /** When its bytes, names or rights last changed (ctime), ns: it can't be set back. */
  touchedNs: bigint;
  /** When it was created; 0 where the file system does not say. */
  bornMs: number;
  /** No link leads to it, and its file system is a local one. */
  local: boolean;
}

/** Which file it is, as long as it lives. */
export function fileKey({ device, inode }: { device: bigint; inode: bigint }): string {
  return `${device}:${inode}`;
}

export function keyOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return fileKey({ device: dev, inode: ino });
}

/** What `stats` say of the file at `path`; undefined when it is no regular file. */
export function foundFile(path: string, stats: BigIntStats, local = false): FoundFile | undefined {
  if (!stats.isFile()) return undefined;
  return {
    path,
    device: stats.dev,
    inode: stats.ino,
    key: keyOf(stats),
    size: Number(stats.size),
    changedMs: Number(stats.mtimeMs),
    touchedNs: stats.ctimeNs,
    bornMs: Number(stats.birthtimeMs),
    local,
  };
}

/** Whether `error` says that nothing is there. */
export function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
