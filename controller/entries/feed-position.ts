import assert from 'node:assert/strict';

/**
 * How far a follower of changes has read. It may be in the middle of a revision: a commit of
 * several changes has several keys of one revision.
 */
export class FeedPosition {
  #revision: bigint;
  /** The keys of this revision that have been read; undefined: all of them. */
  #keys: Set<string> | undefined;

  /** Everything up to and including `revision` has been read. */
  constructor(revision: bigint) {
    this.#revision = revision;
  }

  get revision(): bigint {
    return this.#revision;
  }

  includes({ key, revision }: { key: string; revision: bigint }): boolean {
    return revision < this.#revision || (revision === this.#revision && (this.#keys?.has(key) ?? true));
  }

  /** Moves on to a key. Keys must come in the order of their revisions. */
  advance({ key, revision }: { key: string; revision: bigint }): void {
    assert(revision >= this.#revision, `revision ${revision} follows ${this.#revision}`);
    if (revision > this.#revision || !this.#keys) this.#keys = new Set();
    this.#revision = revision;
    this.#keys.add(key);
  }
}
