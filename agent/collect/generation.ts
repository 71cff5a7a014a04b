import type { Checkpoint } from '../state/checkpoint-store.ts';
import type { Life } from './file-look.ts';
import type { FoundFile } from './found-file.ts';
import type { Presence } from './scan.ts';

/** What is known of one generation and of the file that it is in. */
export class Generation {
  readonly entryUid: string;
  readonly generation: string;
  readonly first: number;
  device: bigint;
  inode: bigint;
  bornMs: number;
  path: string;
  /** Where it was before it was renamed, when that is known. */
  formerPath = '';
  phase: Checkpoint['phase'];
  life: Life;
  touchedNs = 0n;
  /** The file is complete: an unterminated last line goes too. */
  sealed = false;
  /** No path leads to the file any more. */
  unlinked = false;
  size: number;
  /** When the file was last seen to grow, or was opened; monotonic. */
  lastGrowthMs: number;

  /** How many were tracked before it, and itself. */
  order = 0;
  /** The last scan that found the file, and how: see Presence. */
  metBy: Presence | undefined;
  metAs: FoundFile | undefined;

  constructor(checkpoint: Checkpoint, size: number, nowMs: number) {
    this.entryUid = checkpoint.entryUid;
    this.generation = checkpoint.generation;
    this.first = checkpoint.first;
    this.device = checkpoint.device;
    this.inode = checkpoint.inode;
    this.bornMs = checkpoint.bornMs;
    this.path = checkpoint.path;
    this.phase = checkpoint.phase;
    this.life = { head: checkpoint.head, marker: checkpoint.marker };
    this.size = size;
    this.lastGrowthMs = nowMs;
  }

  /** What of it goes into its checkpoint. */
  facts(): Omit<Checkpoint, 'position' | 'rangeEnd' | 'ahead' | 'topic' | 'partition'> {
    const { entryUid, generation, first, device, inode, path, bornMs, size, touchedNs, phase } = this;
    const { head, marker } = this.life;
    return { entryUid, generation, first, device, inode, path, bornMs, size, touchedNs, phase, head, marker };
  }
}
