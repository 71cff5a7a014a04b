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
 * The `bytes` bytes, at most 1 KiB, before position `end`. A file that was truncated and has grown
 * past `end` has other bytes there.
 */
export interface FileMarker {
  end: number;
  bytes: number;
  /** CRC-32C, 8 hex digits. States of format 6 and older have SHA-256, 64 hex digits. */
  hash: string;
}

/** What tells one generation of a file from another. */
export interface Fingerprint {
  head: FileHead;
  /**
   * The furthest is first. It ends where the file was last read or seen, so it is as recent as the
   * position. A copy of the file may be shorter: it is compared with the first that it reaches.
   */
  markers: readonly FileMarker[];
}

/**
 * Whether it has bytes of the file to compare. A file that begins with NULs has markers only, until
 * it was observed again after it was read.
 */
export function hasBytes({ head, markers }: Fingerprint): boolean {
  return head.bytes > 0 || markers.length > 0;
}

/** How many markers of a file are kept. */
const MARKERS_MAX = 6;

/**
 * `markers` with another one. Those that are kept lie at distances from the furthest that grow
 * exponentially.
 */
export function withMarker(markers: readonly FileMarker[], marker: FileMarker): readonly FileMarker[] {
  const before = markers.findIndex(({ end }) => end <= marker.end);
  if (markers[before]?.end === marker.end) return markers;
  const all = markers.toSpliced(before === -1 ? markers.length : before, 0, marker);
  if (all.length <= MARKERS_MAX) return all;
  const distance = (index: number) => (all[0]?.end ?? 0) - (all[index]?.end ?? 0);
  const tooClose = all.findIndex((_, index) => index > 0 && distance(index + 1) <= 2 * distance(index));
  return all.toSpliced(Math.min(tooClose, MARKERS_MAX), 1);
}

/** What a copy of `size` bytes has of a fingerprint. A head that it lacks is determined again. */
export function fingerprintWithin({ head, markers }: Fingerprint, size: number): Fingerprint {
  return { head: head.bytes <= size ? head : EMPTY_HEAD, markers: markers.filter(({ end }) => end <= size) };
}

/** Whether it shows nothing of the bytes from `position` on. */
export function isWithin({ head, markers: [furthest] }: Fingerprint, position: number): boolean {
  return head.bytes <= position && (furthest?.end ?? 0) <= position;
}

/** The furthest marker that a file of `size` bytes reaches. */
export function markerWithin(markers: readonly FileMarker[], size: number): FileMarker | undefined {
  return markers.find(({ end }) => end <= size);
}

/** What was seen of an open file at one moment. */
export interface Observation {
  head: FileHead;
  /** Before the end of the last line that was seen. undefined: nothing new was seen. */
  marker: FileMarker | undefined;
  size: number;
  /** How many of its bytes are written. undefined: there are too many NULs at its end to search. */
  written: number | undefined;
  /** The file's ctime, ns. 0: the file may change again without a new ctime. */
  ctimeNs: bigint;
  /** When the file was created, ms since the epoch. 0: unknown. */
  birthMs: number;
  unlinked: boolean;
  /** It was empty before and is an archive now. */
  isArchive: boolean;
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
