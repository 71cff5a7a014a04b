import assert from 'node:assert/strict';
import { RECORD_BUFFER_BYTES, RecordBuffer } from './record-buffer.ts';
import { RecordKernel } from './record-kernel.ts';

/** The largest read. Longer than the longest allowed line. */
export const CHUNK_BYTES_MAX = 1024 * 1024;

/** The two large buffers that encoding a batch needs: the file's chunk, and its records. */
export interface Workbench {
  chunk: Buffer;
  records: RecordBuffer;
  /** Both lie in its memory. */
  kernel: RecordKernel;
}

export function createWorkbenches(count: number): Workbench[] {
  const kernel = new RecordKernel(count * (CHUNK_BYTES_MAX + RECORD_BUFFER_BYTES), 2 * count, RECORD_BUFFER_BYTES);
  return Array.from({ length: count }, () => ({
    chunk: kernel.region(CHUNK_BYTES_MAX),
    records: new RecordBuffer(kernel.region(RECORD_BUFFER_BYTES)),
    kernel,
  }));
}

/** A counting semaphore. Waiters are served in the order of their calls. */
class Semaphore {
  #free: number;
  readonly #total: number;
  readonly #waiting: { amount: number; grant: () => void }[] = [];

  constructor(total: number) {
    this.#total = this.#free = total;
  }

  async acquire(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#free >= amount) {
      this.#free -= amount;
      return;
    }
    await new Promise<void>((grant) => this.#waiting.push({ amount, grant }));
  }

  release(amount: number): void {
    this.#free += amount;
    assert(this.#free <= this.#total, 'more is released than was acquired');
    for (let next = this.#waiting[0]; next && this.#free >= next.amount; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.amount;
      next.grant();
    }
  }
}

/**
 * Bounds the memory of delivery: a few reusable workbenches, and a budget in bytes for batches that
 * are not acknowledged. When it is used up, reading waits and the files are the buffer.
 */
export class WorkPool {
  readonly #benches: Semaphore;
  readonly #budget: Semaphore;
  readonly #blockedBudget: Semaphore;
  readonly #idle: Workbench[];

  /** `bufferBytes`: how much all unacknowledged batches may hold together. */
  constructor(bufferBytes: number, benchesMax = 4) {
    this.#budget = new Semaphore(bufferBytes);
    this.#blockedBudget = new Semaphore(bufferBytes / 2);
    this.#benches = new Semaphore(benchesMax);
    this.#idle = createWorkbenches(benchesMax);
  }

  /** Waits for a workbench. Release it afterwards. */
  async acquireBench(): Promise<Workbench> {
    await this.#benches.acquire(1);
    return this.#idle.pop() as Workbench;
  }

  releaseBench(bench: Workbench): void {
    this.#idle.push(bench);
    this.#benches.release(1);
  }

  /** Waits for `bytes` of the budget. Release them afterwards. */
  reserveBytes(bytes: number): Promise<void> {
    return this.#budget.acquire(bytes);
  }

  releaseBytes(bytes: number): void {
    this.#budget.release(bytes);
  }

  /**
   * The same for batches of blocked partitions. Together they get half of the budget, so they never
   * block the other partitions.
   */
  async reserveForBlocked(bytes: number): Promise<void> {
    await this.#blockedBudget.acquire(bytes);
    await this.#budget.acquire(bytes);
  }

  releaseFromBlocked(bytes: number): void {
    this.#budget.release(bytes);
    this.#blockedBudget.release(bytes);
  }
}
