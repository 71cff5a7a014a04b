/** How far a follower of changes has been told, which may be in the middle of a revision: a batch has many changes of one. */
export class Told {
  #revision: bigint;
  /** Keys that have been told of this revision; undefined: all. */
  #keys: Set<string> | undefined;

  /** Told up to `revision`, and all of it. */
  constructor(revision: bigint) {
    this.#revision = revision;
  }

  get revision(): bigint {
    return this.#revision;
  }

  has({ key, revision }: { key: string; revision: bigint }): boolean {
    return revision < this.#revision || (revision === this.#revision && (this.#keys?.has(key) ?? true));
  }

  /** To be called in the order of the revisions. */
  add({ key, revision }: { key: string; revision: bigint }): void {
    if (revision > this.#revision || !this.#keys) this.#keys = new Set();
    this.#revision = revision;
    this.#keys.add(key);
  }
}
