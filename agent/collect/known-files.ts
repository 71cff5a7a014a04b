import type { Checkpoint } from '../state/checkpoint-store.ts';
import type { FoundFile } from './discovery.ts';
import { compareHead } from './file-head.ts';

/** Which file it is, as long as it lives. */
export function fileKey({ device, inode }: { device: bigint; inode: bigint }): string {
  return `${device}:${inode}`;
}

/** Generations that were read before, by this process or a former one, and whose files are not open now. */
export class KnownFiles {
  readonly #checkpoints: Map<string, Checkpoint[]>;

  constructor(checkpoints: readonly Checkpoint[]) {
    this.#checkpoints = Map.groupBy(checkpoints, fileKey);
  }

  add(checkpoint: Checkpoint): void {
    const key = fileKey(checkpoint);
    this.#checkpoints.set(key, [...(this.#checkpoints.get(key) ?? []), checkpoint]);
  }

  /**
   * Takes out the generation that an open file is, when it is a known one, and those that it shows to be gone: of the same inode, but with
   * another head, or longer. Rejects, and keeps them all, when the file can't be read.
   */
  async take(fd: number, file: FoundFile): Promise<{ known: Checkpoint | undefined; gone: Checkpoint[] }> {
    const key = fileKey(file);
    let known: Checkpoint | undefined;
    const gone: Checkpoint[] = [];
    for (const checkpoint of this.#checkpoints.get(key) ?? []) {
      const head = !known && file.size >= checkpoint.position ? await compareHead(fd, checkpoint.head) : undefined;
      if (head) known = { ...checkpoint, head };
      else gone.push(checkpoint);
    }
    this.#checkpoints.delete(key);
    return { known, gone };
  }
}
