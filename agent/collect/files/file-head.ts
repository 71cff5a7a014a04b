import { hash } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import { type FileHead, type FileMarker, type Fingerprint, markerWithin } from '../../model/fingerprint.ts';
import { readAt } from './file-io.ts';

const HEAD_BYTES_MAX = 1024;
const MARKER_BYTES_MAX = 1024;
const LINE_FEED = 0x0a;
const SHA256_DIGITS = 64;

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

/** The marker of `before`, the bytes that end at `end`. */
export function markerOf(before: Buffer, end: number): FileMarker {
  const bytes = before.subarray(-MARKER_BYTES_MAX);
  return { end, bytes: bytes.length, hash: crc32c(bytes).toString(16).padStart(8, '0') };
}

/** The marker of the bytes before `end`; undefined if there are none or the file is shorter. */
export async function readMarker(fd: number, end: number): Promise<FileMarker | undefined> {
  const before = await readBefore(fd, end, MARKER_BYTES_MAX);
  return before && before.length > 0 ? markerOf(before, end) : undefined;
}

/**
 * The marker of the last whole lines of a file of `size` bytes. undefined: the last bytes are not
 * those of lines, so they may still change. They are NULs, for example, in a preallocated file.
 */
export async function readLastLinesMarker(fd: number, size: number): Promise<FileMarker | undefined> {
  const before = await readBefore(fd, size, 2 * MARKER_BYTES_MAX);
  const length = before ? before.lastIndexOf(LINE_FEED) + 1 : 0;
  if (!before || length === 0) return undefined;
  const lines = before.subarray(Math.max(0, length - MARKER_BYTES_MAX), length);
  return lines.includes(0) ? undefined : markerOf(lines, size - before.length + length);
}

/** The bytes, at most `max`, before `end`; undefined if the file is shorter. */
export async function readBefore(fd: number, end: number, max: number): Promise<Buffer | undefined> {
  const bytes = Math.min(end, max);
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(bytes), 0, bytes, end - bytes);
  return bytesRead === bytes ? buffer : undefined;
}

/** Whether the file still has the bytes of `marker`. */
export async function hasMarker(fd: number, { end, bytes, hash }: FileMarker): Promise<boolean> {
  const before = await readBefore(fd, end, bytes);
  if (before?.length !== bytes) return false;
  return (hash.length === SHA256_DIGITS ? hashOf(before) : markerOf(before, end).hash) === hash;
}

/** Whether an open file may hold the generation: it has what was seen of it. */
export async function hasFingerprint(fd: number, { head, markers }: Fingerprint): Promise<boolean> {
  const [marker] = markers;
  return (await compareHead(fd, head)) !== undefined && (!marker || hasMarker(fd, marker));
}

/**
 * Whether an open file of `size` bytes is a copy of the generation, made at or after a moment that
 * its markers know. In a copy that is shorter than the head, a marker covers all bytes before it.
 */
export async function isCopyWith(fd: number, size: number, { head, markers }: Fingerprint): Promise<boolean> {
  const marker = markerWithin(markers, size);
  if (markers.length > 0 && !marker) return false;
  const beginsAlike = size < head.bytes ? marker !== undefined : (await compareHead(fd, head)) !== undefined;
  return beginsAlike && (!marker || hasMarker(fd, marker));
}

/**
 * Whether two files have the same bytes before `end`, judged by 1 KiB at the beginning and at the
 * end.
 */
export async function haveSameBytesBefore(one: number, other: number, end: number): Promise<boolean> {
  for (const at of [Math.min(end, HEAD_BYTES_MAX), end]) {
    const [first, second] = await Promise.all([one, other].map((fd) => readBefore(fd, at, HEAD_BYTES_MAX)));
    if (!first || !second?.equals(first)) return false;
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
