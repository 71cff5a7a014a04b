import { RECORD_BYTES_MAX } from '../encode/record-buffer.ts';
import type { WorkPool } from '../encode/work-pool.ts';

/** What one batch holds of the pool's budget, from before it is made until it has its answer. */
export class MemoryReservation {
  readonly #pool: WorkPool;
  #bytes = RECORD_BYTES_MAX;
  #troubled = false;

  /** The caller has taken RECORD_BYTES_MAX: how large the batch becomes shows when it is made. */
  constructor(pool: WorkPool) {
    this.#pool = pool;
  }

  /** The batch is made, and needs no more than `bytes`. */
  shrink(bytes: number): void {
    const kept = Math.min(bytes, this.#bytes);
    this.#give(this.#bytes - kept);
    this.#bytes = kept;
  }

  /** The batch is given up, or has its answer. */
  release(): void {
    this.#give(this.#bytes);
    this.#bytes = 0;
  }

  /** Waits for the memory to make a batch of a partition in trouble again. */
  async reacquire(): Promise<void> {
    await this.#pool.reserveForBlocked(RECORD_BYTES_MAX);
    this.#bytes = RECORD_BYTES_MAX;
    this.#troubled = true;
  }

  #give(bytes: number): void {
    if (this.#troubled) this.#pool.releaseFromBlocked(bytes);
    else this.#pool.releaseBytes(bytes);
  }
}
