import type { StoredKey } from '../etcd/etcd-keys.ts';

const KEYS_MAX = 1_000;
const BYTES_MAX = 8 * 1024 * 1024;

/**
 * Changes that wait for one follower. When more are waiting than the bounds allow, the queue ends
 * after those have been taken. It never ends in the middle of a revision.
 */
export class ChangeQueue implements AsyncIterable<StoredKey> {
  #waiting: StoredKey[] = [];
  #bytes = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** Adds all changes of some revisions. */
  put(changes: readonly StoredKey[]): void {
    if (this.#ended) return;
    this.#waiting.push(...changes);
    for (const { value } of changes) this.#bytes += value.length;
    if (this.#waiting.length > KEYS_MAX || this.#bytes > BYTES_MAX) this.#ended = true;
    this.#wake?.();
  }

  /** Ends the queue. With `error`, the follower is rejected after it has taken what is waiting. */
  end(error?: Error): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoredKey> {
    for (;;) {
      const taken = this.#waiting;
      this.#waiting = [];
      this.#bytes = 0;
      yield* taken;
      if (this.#waiting.length > 0) continue;
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
