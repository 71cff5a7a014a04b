/**
 * `live`: it may grow. `away`: it has left the entry's paths and was complete, and is known lest it comes back. `rotated`: another file has its place, so it will be complete when it has not grown for long. `sealed`: it is
 * complete and told so. `ended`: its file is no more, and what becomes of it is to be told when its last batches are answered. `vanished`: the same, and nobody saw how far it had grown.
 */

import { EMPTY_HEAD, EMPTY_MARKER, type FileHead, type FileMarker } from './fingerprint.ts';
import type { FoundFile } from './found-file.ts';
import type { Reached } from './position.ts';

export type Phase = 'live' | 'rotated' | 'sealed' | 'away' | 'ended' | 'vanished';
/** What is kept of one generation of one file, for one entry. */

export interface Checkpoint extends Reached {
  entryUid: string;
  generation: string;
  device: bigint;
  inode: bigint;
  path: string;
  head: FileHead;
  /** When the file was made, as far as the file system tells, ms; 0: not known. */
  bornMs: number;
  /** The file's size when it was last looked at. */
  size: number;
  /** When the file was last changed as far as it was looked at, ns; 0: not known. */
  touchedNs: bigint;
  /** Some bytes at or before `position`, which tell a file that was truncated and has grown past it. */
  marker: FileMarker;
  /** Where the agent began to read. */
  first: number;
  phase: Phase;
  /** Where its lines go: a source keeps its partition when a topic grows. -1 while it has none. */
  topic: string;
  partition: number;
}
/** Its file is no more. */

export function isOver({ phase }: Pick<Checkpoint, 'phase'>): boolean {
  return phase === 'ended' || phase === 'vanished';
}
/** A new generation: nothing of it is read yet. */

export function newCheckpoint(
  entryUid: string,
  generation: string,
  file: Pick<FoundFile, 'device' | 'inode' | 'path' | 'bornMs'>,
): Checkpoint {
  const { device, inode, path, bornMs } = file;
  const own = { entryUid, generation, device, inode, path, bornMs, size: 0, touchedNs: 0n, head: EMPTY_HEAD };
  const reached = { position: 0, rangeEnd: 0, place: undefined, ahead: [] };
  return { ...own, ...reached, marker: EMPTY_MARKER, first: 0, phase: 'live', topic: '', partition: -1 };
}
/** Which files an entry means. */

export interface Globs {
  paths: readonly string[];
  exclude: readonly string[];
}
