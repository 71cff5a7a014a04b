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
} from 'node:fs';
import { promisify } from 'node:util';
import { fileSystems } from './file-systems.ts';

/** A pipe that has taken a file's place does not block until somebody writes to it (O_NONBLOCK). */
const TO_READ = constants.O_RDONLY | constants.O_NONBLOCK;
/** The most that is read at once: longer reads are for the thread pool, beside the encoding of what was read before. */
const AT_ONCE_BYTES_MAX = 64 * 1024;

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
  // Most reads are of the few bytes that were just written.
  if (bytesRead < atOnce || atOnce === length) return { bytesRead, buffer };
  // What fails here fails again when it is the first that is read.
  const rest = await readLater(fd, buffer, offset + atOnce, length - atOnce, position + atOnce).catch(() => NOTHING);
  return { bytesRead: bytesRead + rest.bytesRead, buffer };
}

export async function fstat(fd: number): Promise<BigIntStats> {
  if (local.has(fd)) return fstatSync(fd, { bigint: true });
  const stats = await fstatLater(fd, { bigint: true });
  if (fileSystems.isLocal(stats.dev)) local.add(fd);
  return stats;
}
