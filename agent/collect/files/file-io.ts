import {
  type BigIntStats,
  closeSync,
  constants,
  fstat as fstatCallback,
  fstatSync,
  open as openCallback,
  openSync,
  read as readCallback,
  readSync,
  readv as readvCallback,
  readvSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { fileSystems } from './file-systems.ts';

/** O_NONBLOCK: opening a pipe that has replaced a file must not block until a writer opens it. */
const TO_READ = constants.O_RDONLY | constants.O_NONBLOCK;
/**
 * The most that is read synchronously. The thread pool reads the rest while other lines are
 * encoded.
 */
const AT_ONCE_BYTES_MAX = 64 * 1024;

/** The most bytes that `readAfter` compares. */
export const READ_BEFORE_BYTES_MAX = 1024;

/** The buffer for the bytes to compare in a synchronous read. */
const before = Buffer.allocUnsafe(READ_BEFORE_BYTES_MAX);

const BIGINT = { bigint: true } as const;
const NOTHING = { bytesRead: 0 };

const openLater = promisify(openCallback);
const readLater = promisify(readCallback);
const readvLater = promisify(readvCallback);
const fstatLater = promisify(fstatCallback) as (fd: number, options: { bigint: true }) => Promise<BigIntStats>;

/** Descriptors of open files on local file systems. */
const local = new Set<number>();

/**
 * Opens a file for reading. `isLocal`: its path is on a local file system and has no links. Else
 * opening may wait for a network. What is read afterwards may be local nevertheless.
 */
export async function openToRead(path: string, isLocal: boolean): Promise<number> {
  const fd = isLocal ? openSync(path, TO_READ) : await openLater(path, TO_READ);
  if (isLocal || (await isOnLocal(fd))) local.add(fd);
  else local.delete(fd);
  return fd;
}

/** Whether the file system of an open file is local. False if that is unknown. */
async function isOnLocal(fd: number): Promise<boolean> {
  try {
    const { dev } = await fstatLater(fd, BIGINT);
    // statfs(2) follows the link to the open file, whatever is at its path now.
    return await fileSystems.learn(`/proc/self/fd/${fd}`, dev);
  } catch {
    return false;
  }
}

export function closeFile(fd: number): void {
  local.delete(fd);
  closeSync(fd);
}

/** Reads at a position (pread(2)), so several readers can share a descriptor. */
export async function readAt(
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
): Promise<{ bytesRead: number; buffer: Buffer }> {
  if (!local.has(fd)) return readLater(fd, buffer, offset, length, position);
  const atOnce = Math.min(length, AT_ONCE_BYTES_MAX);
  const bytesRead = readSync(fd, buffer, offset, atOnce, position);
  return { bytesRead: bytesRead + (await readRest(fd, buffer, bytesRead, { offset, length, position })), buffer };
}

/** Reads what follows the `bytesRead` bytes that were read synchronously. */
async function readRest(
  fd: number,
  buffer: Buffer,
  bytesRead: number,
  { offset, length, position }: { offset: number; length: number; position: number },
): Promise<number> {
  // Most reads are of a few bytes that were just written.
  if (bytesRead < AT_ONCE_BYTES_MAX || bytesRead === length) return 0;
  // An error here is raised again by the next read, which begins with these bytes.
  const rest = readLater(fd, buffer, offset + bytesRead, length - bytesRead, position + bytesRead);
  return (await rest.catch(() => NOTHING)).bytesRead;
}

/** Whether an open file is on a local file system, so that a read never waits for a network. */
export function isLocal(fd: number): boolean {
  return local.has(fd);
}

/**
 * Reads at `position`, as `readAt`. The same system call reads the bytes before `position` and
 * compares them with `expected` (at most READ_BEFORE_BYTES_MAX bytes). Returns undefined if they
 * differ or the file is shorter: it was truncated or replaced.
 */
export async function readAfter(
  fd: number,
  buffer: Buffer,
  length: number,
  position: number,
  expected: Buffer,
): Promise<{ bytesRead: number } | undefined> {
  const isAtOnce = local.has(fd);
  const first = isAtOnce ? Math.min(length, AT_ONCE_BYTES_MAX) : length;
  const found = isAtOnce ? before.subarray(0, expected.length) : Buffer.allocUnsafe(expected.length);
  const buffers = [found, buffer.subarray(0, first)];
  const from = position - found.length;
  const all = isAtOnce ? readvSync(fd, buffers, from) : (await readvLater(fd, buffers, from)).bytesRead;
  const bytesRead = all - found.length;
  if (bytesRead < 0 && (await fstat(fd)).size >= position)
    throw new Error(`cannot read the bytes before position ${position}`);
  if (bytesRead < 0 || !found.equals(expected)) return undefined;
  if (!isAtOnce) return { bytesRead };
  return { bytesRead: bytesRead + (await readRest(fd, buffer, bytesRead, { offset: 0, length, position })) };
}

export async function fstat(fd: number): Promise<BigIntStats> {
  return local.has(fd) ? fstatSync(fd, BIGINT) : fstatLater(fd, BIGINT);
}

/** The value of a descriptor variable while the file is not open. */
export const NOT_OPEN = -1;
