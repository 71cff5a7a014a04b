import type { FoundFile } from './found-file.ts';

/**
 * The first bytes of a file. Inode numbers are reused, so device and inode name a file, and its
 * head tells which generation it holds. The head grows with the file up to 1 KiB.
 */
export interface FileHead {
  bytes: number;
  /** SHA-256 of the first `bytes` bytes, hex. */
  hash: string;
}

export const EMPTY_HEAD: FileHead = { bytes: 0, hash: '' };

/**
 * Up to 1 KiB before position `end`. A file that was truncated and has grown past it has other
 * bytes there.
 */
export interface FileMarker extends FileHead {
  end: number;
}

/** Matches every file. */
export const EMPTY_MARKER: FileMarker = { end: 0, ...EMPTY_HEAD };

/** What tells one generation of a file from another. */
export interface Fingerprint {
  head: FileHead;
  marker: FileMarker;
}

/** What was seen of an open file at one moment. */
export interface Observation extends Fingerprint {
  size: number;
  /** The file's ctime, ns. 0: the file may change again without a new ctime. */
  ctimeNs: bigint;
  /** When the file was created, ms since the epoch. 0: unknown. */
  birthMs: number;
  unlinked: boolean;
  /** It was empty before and holds a compressed archive now. */
  compressed: boolean;
}

/** FAT stamps changes in steps of two seconds, some others in steps of one. */
const STAMP_GRAIN_MS = 2_000;

/** `ctimeNs`, or 0 if the file can still change without getting another ctime. */
export function settledCtimeNs(ctimeNs: bigint, wallMs: number): bigint {
  return wallMs - Number(ctimeNs / 1_000_000n) > STAMP_GRAIN_MS ? ctimeNs : 0n;
}

/** Whether a file changed since it was last observed. */
export function hasChanged(
  known: Pick<Observation, 'size' | 'ctimeNs'>,
  found: Pick<Observation, 'size' | 'ctimeNs'>,
): boolean {
  return found.ctimeNs !== known.ctimeNs || found.size !== known.size;
}

/**
 * When the file was created, ms since the epoch; 0 if unknown. If the file system does not record
 * it, the system or Node reports the ctime in its place (libuv, uv_fs_stat), which says nothing.
 */
export function knownBirthMs({ birthMs, ctimeNs }: Pick<FoundFile, 'birthMs' | 'ctimeNs'>): number {
  return BigInt(Math.floor(birthMs)) === ctimeNs / 1_000_000n ? 0 : Math.floor(birthMs);
}
