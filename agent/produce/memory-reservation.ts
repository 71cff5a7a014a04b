import { RECORD_BYTES_MAX } from '../encode/record-buffer.ts';
import type { WorkPool } from '../encode/work-pool.ts';

/** One batch's share of the memory budget, from before it is encoded until it is acknowledged. */
export class MemoryReservation {
  readonly #pool: WorkPool;
  #bytes = RECORD_BYTES_MAX;
  #isForBlocked = false;

  /** The caller has reserved RECORD_BYTES_MAX; the batch's size is known once it is encoded. */
  constructor(pool: WorkPool) {
    this.#pool = pool;
  }

  /** Keeps `bytes` of the reservation at most. */
  shrink(bytes: number): void {
    const kept = Math.min(bytes, this.#bytes);
    this.#give(this.#bytes - kept);
    this.#bytes = kept;
  }

  release(): void {
    this.#give(this.#bytes);
    this.#bytes = 0;
  }

  /** Waits for the memory to build a batch of a blocked partition again. */
  async reacquire(): Promise<void> {
    await this.#pool.reserveForBlocked(RECORD_BYTES_MAX);
    this.#bytes = RECORD_BYTES_MAX;
    this.#isForBlocked = true;
  }

  #give(bytes: number): void {
    if (this.#isForBlocked) this.#pool.releaseFromBlocked(bytes);
    else this.#pool.releaseBytes(bytes);
  }
}
