import { Slices } from '../../../runtime/slices.ts';
import { type FoundFile, fileSizeOf, type OpenFile } from '../../model/found-file.ts';
import { HOLE_BYTES_MIN } from '../../model/hole.ts';
import { fstat, readAt } from './file-io.ts';

/** How far the end of the written part is searched. */
const UNWRITTEN_BYTES_MAX = 256 * 1024 * 1024;
const STEP_BYTES = 64 * 1024;
const nuls = Buffer.alloc(STEP_BYTES);

/** The unit of `st_blocks` (stat(2)). */
const BLOCK_BYTES = 512;

/**
 * Where the written part of a file of `size` bytes ends: before the NULs of a preallocated file.
 * undefined: there are more NULs at its end than are searched. `known`: where it ended before; it
 * is not searched again as long as NULs follow that.
 */
export async function writtenEndBefore(fd: number, size: number, known = 0): Promise<number | undefined> {
  // Most files end in a line, so a few bytes decide.
  if (!(await endsUnwritten(fd, size))) return size;
  const isKnown = known > 0 && known < size;
  if (isKnown && (await lastWritten(fd, known, Math.min(size, known + STEP_BYTES))) === undefined) return known;
  if (size > UNWRITTEN_BYTES_MAX) {
    const { blocks } = await fstat(fd);
    // Thousands of huge sparse files must not take the time of the others.
    if (size - Number(blocks) * BLOCK_BYTES > UNWRITTEN_BYTES_MAX) return blocks === 0n ? 0 : undefined;
  }
  const slices = new Slices();
  for (let end = size; end > 0 && size - end < UNWRITTEN_BYTES_MAX; end -= STEP_BYTES) {
    if (slices.isOver) await slices.startNext();
    const written = await lastWritten(fd, Math.max(0, end - STEP_BYTES), end);
    if (written !== undefined) return written;
  }
  return size <= UNWRITTEN_BYTES_MAX ? 0 : undefined;
}

/** `file`, open at `fd`, with how much of it is written. Rejects with the system's error. */
export async function withWritten(fd: number, file: FoundFile): Promise<OpenFile> {
  return { ...file, written: (await writtenEndBefore(fd, file.size)) ?? file.size };
}

/** As `withWritten`, with the present size. */
export async function withPresentSize(fd: number, file: FoundFile): Promise<OpenFile> {
  return withWritten(fd, { ...file, size: fileSizeOf(await fstat(fd)) });
}

/** Whether a file of `size` bytes ends in HOLE_BYTES_MIN NULs, as a preallocated file does. */
export async function endsUnwritten(fd: number, size: number): Promise<boolean> {
  return size >= HOLE_BYTES_MIN && (await lastWritten(fd, size - HOLE_BYTES_MIN, size)) === undefined;
}

/** The end of the last byte between `from` and `end` that is no NUL; undefined: all are NULs. */
async function lastWritten(fd: number, from: number, end: number): Promise<number | undefined> {
  const { bytesRead, buffer } = await readAt(fd, Buffer.alloc(end - from), 0, end - from, from);
  const bytes = buffer.subarray(0, bytesRead);
  if (bytes.equals(nuls.subarray(0, bytesRead))) return undefined;
  return from + bytes.findLastIndex((byte) => byte !== 0) + 1;
}
