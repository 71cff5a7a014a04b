import { hash } from 'node:crypto';
import { EMPTY_MARKER, type FileHead, type FileMarker } from '../../model/fingerprint.ts';
import { readAt } from './file-io.ts';

const HEAD_BYTES_MAX = 1024;
const MARKER_BYTES_MAX = 1024;

/** NULs in a row may be bytes that are not written yet. */
const UNWRITTEN = Buffer.alloc(4);

/**
 * The file's head as it is now; undefined if it does not begin with `known`: another generation. It
 * ends before NULs, because they may still be written, unless they are before `read`.
 */
export async function compareHead(fd: number, known: FileHead, read = 0): Promise<FileHead | undefined> {
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(HEAD_BYTES_MAX), 0, HEAD_BYTES_MAX, 0);
  if (bytesRead < known.bytes) return undefined;
  if (known.bytes > 0 && hashOf(buffer.subarray(0, known.bytes)) !== known.hash) return undefined;
  const bytes = Math.min(bytesRead, Math.max(read, writtenBytes(buffer.subarray(0, bytesRead))));
  return bytes <= known.bytes ? known : { bytes, hash: hashOf(buffer.subarray(0, bytes)) };
}

/** The marker of the bytes before `end`; undefined if the file is shorter. */
export async function readMarker(fd: number, end: number): Promise<FileMarker | undefined> {
  const bytes = Math.min(end, MARKER_BYTES_MAX);
  if (bytes === 0) return EMPTY_MARKER;
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(bytes), 0, bytes, end - bytes);
  return bytesRead === bytes ? { end, bytes, hash: hashOf(buffer) } : undefined;
}

/** Whether the file still has the bytes of `marker`. */
export async function hasMarker(fd: number, marker: FileMarker): Promise<boolean> {
  return marker.end === 0 || (await readMarker(fd, marker.end))?.hash === marker.hash;
}

/** Whether the file begins as gzip, zstd or xz: an archive of logs that were already read. */
export async function isCompressed(fd: number): Promise<boolean> {
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(6), 0, 6, 0);
  const begins = buffer.subarray(0, bytesRead).toString('hex');
  return /^(1f8b|28b52ffd|fd377a585a00)/.test(begins);
}

/**
 * Whether two files have the same bytes before `end`, judged by 1 KiB at the beginning and at the
 * end.
 */
export async function haveSameBytesBefore(one: number, other: number, end: number): Promise<boolean> {
  for (const at of [Math.min(end, HEAD_BYTES_MAX), end]) {
    const [first, second] = await Promise.all([readMarker(one, at), readMarker(other, at)]);
    if (!first || first.hash !== second?.hash) return false;
  }
  return true;
}

/** How many bytes precede the first NULs in a row, or the NULs at the end. */
function writtenBytes(bytes: Buffer): number {
  const nuls = bytes.indexOf(UNWRITTEN);
  let end = nuls === -1 ? bytes.length : nuls;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

function hashOf(bytes: Buffer): string {
  return hash('sha256', bytes, 'hex');
}
