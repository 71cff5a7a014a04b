import type { FileBudget, PinnedFile } from '../files/file-budget.ts';
import type { Source } from './source.ts';

/** The deleted files that one entry holds open. They count for the budget of disk space. */
export class DeletedFileBudget {
  readonly #budget: FileBudget;
  readonly #giveUp: (source: Source) => void;
  readonly #pinned = new Map<Source, PinnedFile>();

  /** `giveUp` closes a source whose file exceeds the budget. */
  constructor(budget: FileBudget, giveUp: (source: Source) => void) {
    this.#budget = budget;
    this.#giveUp = giveUp;
  }

  /** Returns false if the source counts already. */
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

  /** The source was closed, or its file has a path again. */
  remove(source: Source): void {
    const pinned = this.#pinned.get(source);
    if (!pinned) return;
    this.#pinned.delete(source);
    this.#budget.unpin(pinned);
  }
}
