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
  readvSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { fileSystems } from './file-systems.ts';

/** A pipe that has taken a file's place does not block until somebody writes to it (O_NONBLOCK). */
const TO_READ = constants.O_RDONLY | constants.O_NONBLOCK;
/** The most that is read at once: longer reads are for the thread pool, beside the encoding of what was read before. */
const AT_ONCE_BYTES_MAX = 64 * 1024;

/** The most that `readOn` compares. */
export const READ_BEFORE_BYTES_MAX = 1024;

const NOTHING = { bytesRead: 0 };

const openLater = promisify(openCallback);
const readLater = promisify(readCallback);
const fstatLater = promisify(fstatCallback) as (fd: number, options: { bigint: true }) => Promise<BigIntStats>;

/** Open files on local file systems. */
const local = new Set<number>();

/** Opens for reading. `isLocal`: its path leads nowhere else than to a local file system. */
export async function openToRead(path: string, isLocal: boolean): Promise<number> {
  const fd = isLocal ? openSync(path, TO_READ) : await openLater(path, TO_READ);
  if (isLocal) local.add(fd);
  else local.delete(fd);
  return fd;
}

export function closeFile(fd: number): void {
  local.delete(fd);
  closeSync(fd);
}

/** pread(2): does not move a position, so that several may read one descriptor. */
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

/** What is behind the `bytesRead` bytes that were read at once. */
async function readRest(
  fd: number,
  buffer: Buffer,
  bytesRead: number,
  { offset, length, position }: { offset: number; length: number; position: number },
): Promise<number> {
  // Most reads are of the few bytes that were just written.
  if (bytesRead < AT_ONCE_BYTES_MAX || bytesRead === length) return 0;
  // What fails here fails again when it is the first that is read.
  const rest = readLater(fd, buffer, offset + bytesRead, length - bytesRead, position + bytesRead);
  return (await rest.catch(() => NOTHING)).bytesRead;
}

/** Where the bytes before those that are wanted are read to: it is compared at once. */
const before = Buffer.allocUnsafe(READ_BEFORE_BYTES_MAX);

/** Whether an open file is on a local file system, so that `readOn` can read it. */
export function isLocal(fd: number): boolean {
  return local.has(fd);
}

/**
 * Reads on in a local file, like `readAt`, by the same system call as the bytes before `position`, which are compared with `expected`, of
 * up to READ_BEFORE_BYTES_MAX bytes; undefined when the file has others there by now, or is shorter.
 */
export async function readOn(
  fd: number,
  buffer: Buffer,
  length: number,
  position: number,
  expected: Buffer,
): Promise<{ bytesRead: number } | undefined> {
  const atOnce = Math.min(length, AT_ONCE_BYTES_MAX);
  const found = before.subarray(0, expected.length);
  const bytesRead = readvSync(fd, [found, buffer.subarray(0, atOnce)], position - found.length) - found.length;
  if (bytesRead < 0 && fstatSync(fd).size >= position) throw new Error(`bytes before ${position} can't be read`);
  if (bytesRead < 0 || !found.equals(expected)) return undefined;
  return { bytesRead: bytesRead + (await readRest(fd, buffer, bytesRead, { offset: 0, length, position })) };
}

export async function fstat(fd: number): Promise<BigIntStats> {
  if (local.has(fd)) return fstatSync(fd, { bigint: true });
  const stats = await fstatLater(fd, { bigint: true });
  if (fileSystems.isLocal(stats.dev)) local.add(fd);
  return stats;
}
/** In the place of a descriptor while the file is not open. */

export const NOT_OPEN = -1;
