import type { BeginReason } from './fact.ts';
import { EMPTY_HEAD, type FileHead, type FileMarker } from './fingerprint.ts';
import type { FoundFile, RealFolder } from './found-file.ts';
import type { AcknowledgedProgress } from './position.ts';

/**
 * The durable state of a generation.
 * - live: the file is at a path of the entry and may grow.
 * - rotated: another file took its path, so it is sealed once it has not grown for a while.
 * - sealed: it is complete in Kafka and was reported so.
 * - away: it left the entry's paths, and each of its lines is acknowledged or in a loss; it is kept
 *   in case that it returns.
 * - ended: its file was truncated or deleted; its end is reported once its last batches are
 *   acknowledged or returned.
 * - vanished: as ended, but nobody saw how far the file had grown.
 */
export type Phase = 'live' | 'rotated' | 'sealed' | 'away' | 'ended' | 'vanished';

/** What is stored of one generation of one file, for one entry. */
export interface Checkpoint extends AcknowledgedProgress {
  entryUid: string;
  generation: string;
  device: bigint;
  inode: bigint;
  path: string;
  /** Where the file lay when it was last observed. undefined: unknown. */
  folder: RealFolder | undefined;
  head: FileHead;
  /** When the file was created, ms since the epoch. 0: the file system does not say. */
  birthMs: number;
  /** The file's size when it was last observed, bytes. */
  size: number;
  /** The file's ctime when it was last observed, ns. 0: unknown. */
  ctimeNs: bigint;
  /** See Fingerprint. */
  markers: readonly FileMarker[];
  /** The position at which the agent began to read, and where the first record's range begins. */
  first: number;
  /** Why `first` is not 0. undefined: it is 0, or no `begun` fact was recorded yet. */
  firstReason: BeginReason | undefined;
  phase: Phase;
  /** Where its lines are sent. The partition is kept when the topic gets more. -1: none yet. */
  topic: string;
  partition: number;
}

/** Whether the generation's file no longer exists. */
export function hasEnded({ phase }: Pick<Checkpoint, 'phase'>): boolean {
  return phase === 'ended' || phase === 'vanished';
}

/** Whether each line of the generation was acknowledged, or in a loss, when it was last read. */
export function isComplete({ phase }: Pick<Checkpoint, 'phase'>): boolean {
  return phase === 'sealed' || phase === 'away';
}

/** Where the reading of a generation begins. */
export type Beginning = Pick<Checkpoint, 'first' | 'firstReason'>;

export const FIRST_BYTE: Beginning = { first: 0, firstReason: undefined };

/** The checkpoint of a new generation, of which nothing has been read. */
export function newCheckpoint(
  entryUid: string,
  generation: string,
  file: Pick<FoundFile, 'device' | 'inode' | 'path' | 'birthMs' | 'folder'>,
  { first, firstReason }: Beginning = FIRST_BYTE,
): Checkpoint {
  const { device, inode, path, birthMs, folder } = file;
  const own = { entryUid, generation, device, inode, path, folder, birthMs, size: 0, ctimeNs: 0n, head: EMPTY_HEAD };
  const progress = { position: first, rangeEnd: first, lineState: undefined, ahead: [] };
  const target = { topic: '', partition: -1 };
  return { ...own, ...progress, markers: [], first, firstReason, phase: 'live', ...target };
}

/** The files that an entry matches. */
export interface Globs {
  paths: readonly string[];
  exclude: readonly string[];
}
