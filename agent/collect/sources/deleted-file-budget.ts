import type { FileBudget, PinnedFile } from '../files/file-budget.ts';
import type { Source } from './source.ts';

/** Deleted files of one entry that are held open: told to the budget of disk space. */
export class DeletedFileBudget {
  readonly #budget: FileBudget;
  readonly #giveUp: (source: Source) => void;
  readonly #pinned = new Map<Source, PinnedFile>();

  /** `giveUp` lets go of a source whose file passes the budget. */
  constructor(budget: FileBudget, giveUp: (source: Source) => void) {
    this.#budget = budget;
    this.#giveUp = giveUp;
  }

  /** False when it is told already. */
  add(source: Source): boolean {
    if (this.#pinned.has(source)) return false;
    const giveUp = () => {
      this.#pinned.delete(source);
      this.#giveUp(source);
    };
    const pinned = {
      get size() {
        return source.size;
      },
      get isInUse() {
        return source.busy;
      },
      giveUp,
    };
    this.#pinned.set(source, pinned);
    this.#budget.pin(pinned);
    return true;
  }

  remove(source: Source): void {
    const pinned = this.#pinned.get(source);
    if (!pinned) return;
    this.#pinned.delete(source);
    this.#budget.unpin(pinned);
  }

  close(): void {
    for (const source of [...this.#pinned.keys()]) this.remove(source);
  }
}
