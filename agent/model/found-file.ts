import { type BigIntStats, statSync } from 'node:fs';
import { errorCode } from '../../runtime/errors.ts';

/** A regular file that an entry's globs match. Links are followed. */
export interface FoundFile {
  path: string;
  device: bigint;
  inode: bigint;
  /** Its `fileKey`. */
  key: string;
  size: number;
  changedMs: number;
  /** When its bytes, names or permissions last changed, ns. Unlike mtime, no program can set it. */
  ctimeNs: bigint;
  /** When it was created, ms since the epoch. 0: the file system does not say. */
  birthMs: number;
  /** Its path has no symbolic link, and its file system is a local one. */
  local: boolean;
  /** undefined: unknown, because the file was not opened. */
  folder?: RealFolder | undefined;
}

/** A found file that is open. */
export interface OpenFile extends FoundFile {
  /** How much of it is written: less than its size if it is preallocated. */
  written: number;
}

/** The folder in which a file lies, without links. Its inode identifies it after it was renamed. */
export interface RealFolder {
  path: string;
  inode: bigint;
}

/** Identifies a file for as long as it exists. */
export function fileKey({ device, inode }: { device: bigint; inode: bigint }): string {
  return `${device}:${inode}`;
}

export function keyOf(stats: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return fileKey({ device: stats.dev, inode: inodeOf(stats) });
}

/** Node returns the unsigned inode number of stat(2) as a signed one (its BigInt64Array). */
export function inodeOf({ ino }: Pick<BigIntStats, 'ino'>): bigint {
  return BigInt.asUintN(64, ino);
}

/**
 * The last time that a protobuf Timestamp can have. Any program can set an mtime beyond it, and a
 * network file system may report anything.
 */
const TIME_MS_MAX = Date.parse('9999-12-31T23:59:59.999Z');
/** The last time in nanoseconds that SQLite can store; in the year 2262. */
const TIME_NS_MAX = 2n ** 63n - 1n;

/**
 * The size of a file, bytes, at most the largest that a number has exactly. Sparse files may have
 * up to 2^63 - 1 bytes.
 */
export function fileSizeOf({ size }: Pick<BigIntStats, 'size'>): number {
  return Math.min(Number(size), Number.MAX_SAFE_INTEGER);
}

/** The file at `path` with these `stats`; undefined if it is not a regular file. */
export function foundFile(path: string, stats: BigIntStats, local = false): FoundFile | undefined {
  if (!stats.isFile()) return undefined;
  return {
    path,
    device: stats.dev,
    inode: inodeOf(stats),
    key: keyOf(stats),
    size: fileSizeOf(stats),
    changedMs: clampTimeMs(stats.mtimeMs),
    ctimeNs: ctimeNsOf(stats),
    birthMs: birthMsOf(stats),
    local,
  };
}

/**
 * Whether the system reports when a file was created. Without statx(2) Node reports the ctime in
 * its place (libuv, uv_fs_stat). A folder's ctime changes when a name in it changes.
 */
let reportsBirths = ['/', process.execPath].some((path) => {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && isBirth(stats);
});

/** When a file was created, ms since the epoch. 0: unknown. */
export function birthMsOf(stats: Pick<BigIntStats, 'birthtimeNs' | 'ctimeNs'>): number {
  reportsBirths ||= isBirth(stats);
  return reportsBirths ? clampTimeMs(stats.birthtimeNs / 1_000_000n) : 0;
}

/**
 * When a file last changed, ns since the epoch. A time that no clock is set to becomes the latest
 * one: a ctime in the future is never taken as a proof that nothing changed.
 */
export function ctimeNsOf({ ctimeNs }: Pick<BigIntStats, 'ctimeNs'>): bigint {
  return ctimeNs > 0n && ctimeNs < TIME_NS_MAX ? ctimeNs : TIME_NS_MAX;
}

function clampTimeMs(timeMs: bigint): number {
  return Math.min(TIME_MS_MAX, Math.max(0, Number(timeMs)));
}

function isBirth({ birthtimeNs, ctimeNs }: Pick<BigIntStats, 'birthtimeNs' | 'ctimeNs'>): boolean {
  return birthtimeNs !== ctimeNs && birthtimeNs > 0n;
}

/** Whether `error` says that no file exists at the path. */
export function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
