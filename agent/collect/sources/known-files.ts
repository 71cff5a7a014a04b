import type { Checkpoint } from '../../model/checkpoint.ts';
import { type FileHead, knownBirthMs } from '../../model/fingerprint.ts';
import { type FoundFile, fileKey } from '../../model/found-file.ts';
import { compareHead, hasMarker } from '../files/file-head.ts';
import type { Scan } from './scan.ts';

/** Generations that were read before, by this process or a former one, and whose files are not open now. */
export class KnownFiles {
  readonly #byInode = new Map<bigint, Checkpoint[]>();
  /** A file system may come back as another device, after a boot or another mount. */
  readonly #devices = new Map<bigint, bigint>();

  constructor(checkpoints: readonly Checkpoint[]) {
    for (const checkpoint of checkpoints) this.add(checkpoint);
  }

  [Symbol.iterator](): Iterator<Checkpoint> {
    return [...this.#byInode.values()].flat().values();
  }

  add(checkpoint: Checkpoint): void {
    const others = this.#byInode.get(checkpoint.inode) ?? [];
    this.#byInode.set(checkpoint.inode, [...others, checkpoint]);
  }

  delete(checkpoint: Checkpoint): void {
    const others = (this.#byInode.get(checkpoint.inode) ?? []).filter((other) => other !== checkpoint);
    if (others.length > 0) this.#byInode.set(checkpoint.inode, others);
    else this.#byInode.delete(checkpoint.inode);
  }

  /** Those with the inode of a file. */
  at(file: FoundFile): readonly Checkpoint[] {
    return this.#byInode.get(file.inode) ?? [];
  }

  /** Whether a file with this inode is known: it need not be the same. */
  mayHave(file: FoundFile): boolean {
    return this.#byInode.has(file.inode);
  }

  /** The sealed generation that the file is, when it was not touched since: it need not be opened. */
  untouched(file: FoundFile): Checkpoint | undefined {
    return this.#byInode
      .get(file.inode)
      ?.find(
        ({ device, phase, size, ctimeNs }) =>
          device === file.device && phase === 'sealed' && size === file.size && ctimeNs === file.ctimeNs,
      );
  }

  /** Takes out the complete ones whose files are not found, but for `max` of them: they need not be known for ever. */
  forgetOldest(scan: Pick<Scan, 'keys'>, max: number): Checkpoint[] {
    const complete = [...this].filter(
      (one) => (one.phase === 'sealed' || one.phase === 'away') && !scan.keys.has(fileKey(one)),
    );
    const forgotten = complete.slice(0, -max);
    for (const checkpoint of forgotten) this.delete(checkpoint);
    return forgotten;
  }

  /** What the device is called by now that was called `device` when a file of it was last seen. */
  deviceNow(device: bigint): bigint {
    return this.#devices.get(device) ?? device;
  }

  /**
   * Takes out the generation that an open file is, when it is a known one, and those that it shows to be gone: of the same inode, but another
   * life. Rejects, and keeps them all, when the file can't be read.
   */
  async take(fd: number, file: FoundFile): Promise<{ known: Checkpoint | undefined; gone: Checkpoint[] }> {
    let known: Checkpoint | undefined;
    const gone: Checkpoint[] = [];
    const elsewhere: Checkpoint[] = [];
    for (const checkpoint of this.#byInode.get(file.inode) ?? []) {
      const here = checkpoint.device === file.device;
      const head = known ? undefined : await headIfSame(fd, file, checkpoint);
      if (head && (here || checkpoint.head.bytes > 0)) {
        // The same object when nothing is to be written.
        known = here && head === checkpoint.head ? checkpoint : { ...checkpoint, device: file.device, head };
      } else if (here) gone.push(checkpoint);
      else elsewhere.push(checkpoint);
      if (known && known.generation === checkpoint.generation) this.#devices.set(checkpoint.device, file.device);
    }
    if (elsewhere.length > 0) this.#byInode.set(file.inode, elsewhere);
    else this.#byInode.delete(file.inode);
    return { known, gone };
  }
}

/** The head of an open file as it is now, when it is the generation of `checkpoint`. */
async function headIfSame(fd: number, file: FoundFile, checkpoint: Checkpoint): Promise<FileHead | undefined> {
  if (file.size < checkpoint.position || !sameBirth(checkpoint.birthMs, knownBirthMs(file))) return undefined;
  const head = await compareHead(fd, checkpoint.head);
  return head && (await hasMarker(fd, checkpoint.marker)) ? head : undefined;
}

function sameBirth(one: number, other: number): boolean {
  return one === 0 || other === 0 || one === other;
}
