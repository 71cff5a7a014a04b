import { createHash } from 'node:crypto';
import { readAt } from './file-io.ts';

const HEAD_BYTES_MAX = 1024;

/**
 * The beginning of a file, which tells two files of one inode number apart: inode numbers are used again. Device and inode say
 * which file, the head says which life of it. It grows with the file until it covers 1 KiB.
 */
export interface FileHead {
  bytes: number;
  /** SHA-256 of the first `bytes` bytes, hex. */
  hash: string;
}

export const EMPTY_HEAD: FileHead = { bytes: 0, hash: '' };

/** Compares `known` with the file as it is; returns the head as far as it goes now, or undefined when it is another life. */
export async function compareHead(fd: number, known: FileHead): Promise<FileHead | undefined> {
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(HEAD_BYTES_MAX), 0, HEAD_BYTES_MAX, 0);
  if (bytesRead < known.bytes) return undefined;
  if (known.bytes > 0 && hashOf(buffer.subarray(0, known.bytes)) !== known.hash) return undefined;
  return bytesRead === known.bytes ? known : { bytes: bytesRead, hash: hashOf(buffer.subarray(0, bytesRead)) };
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
