import {
  type BigIntStats,
  constants,
  fstat as fstatCallback,
  open as openCallback,
  read as readCallback,
} from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(openCallback);

/** pread(2): does not move a position, so that several may read one descriptor. */
export const readAt = promisify(readCallback);

export const fstat = promisify(fstatCallback) as (fd: number, options: { bigint: true }) => Promise<BigIntStats>;

/** Opens for reading. A pipe that has taken a file's place does not block until somebody writes to it (O_NONBLOCK). */
export function openToRead(path: string): Promise<number> {
  return openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
}
