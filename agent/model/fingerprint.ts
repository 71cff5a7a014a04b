/**
 * The beginning of a file, which tells two files of one inode number apart: inode numbers are used again. Device and inode say
 * which file, the head says which life of it. It grows with the file until it covers 1 KiB.
 */

import type { FoundFile } from './found-file.ts';

export interface FileHead {
  bytes: number;
  /** SHA-256 of the first `bytes` bytes, hex. */
  hash: string;
}
export const EMPTY_HEAD: FileHead = { bytes: 0, hash: '' };
/** Up to 1 KiB before a position: a file that was truncated and has grown past it, or was written anew, has other bytes there. */

export interface FileMarker extends FileHead {
  end: number;
}
/** Says nothing: every file has it. */

export const EMPTY_MARKER: FileMarker = { end: 0, ...EMPTY_HEAD };
/** What tells one life of a file from another. */

export interface Life {
  head: FileHead;
  marker: FileMarker;
}
export interface Look extends Life {
  size: number;
  /** 0: it may change again without a new time. */
  touchedNs: bigint;
  /** 0: not known. */
  bornMs: number;
  unlinked: boolean;
  /** It had no bytes before, and has those of an archive now. */
  compressed: boolean;
}
/** Some file systems stamp changes by the second, or by two. */
export const STAMP_GRAIN_MS = 2000;
/** The time of a file's last change, when its next one can't have the same; else 0. */

export function stampOf(touchedNs: bigint, wallMs: number): bigint {
  return wallMs - Number(touchedNs / 1000000n) > STAMP_GRAIN_MS ? touchedNs : 0n;
}
/** Whether a file that was found is not as it was when it was last looked at. */

export function hasChanged(known: Pick<Look, 'size' | 'touchedNs'>, found: Pick<Look, 'size' | 'touchedNs'>): boolean {
  return found.touchedNs !== known.touchedNs || found.size !== known.size;
}
/**
 * When the file was made, ms; 0 when that is not known. Where the file system does not tell, the system or Node give the time of the last
 * change (libuv, uv_fs_stat), which says nothing.
 */

export function birthOf({ bornMs, touchedNs }: Pick<FoundFile, 'bornMs' | 'touchedNs'>): number {
  return BigInt(Math.floor(bornMs)) === touchedNs / 1000000n ? 0 : Math.floor(bornMs);
}
