import { RECORD_BUFFER_BYTES, RecordBuffer } from './record-buffer.ts';
import { RecordKernel } from './record-kernel.ts';

/** The most that is read at once; longer than the longest line allowed. */
export const CHUNK_BYTES_MAX = 1024 * 1024;

/** The two large buffers that making one batch takes: the file's chunk, and the records made of it. */
export interface Workbench {
  chunk: Buffer;
  records: RecordBuffer;
  /** In whose memory both are. */
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

/** Something that there is a fixed amount of; who comes first is served first. */
class Semaphore {
  #free: number;
  readonly #waiting: { amount: number; grant: () => void }[] = [];

  constructor(total: number) {
    this.#free = total;
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
    for (let next = this.#waiting[0]; next && this.#free >= next.amount; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.amount;
      next.grant();
    }
  }
}

/**
 * Bounds the memory of delivery: few workbenches, used again and again, and a budget in bytes for the batches that wait for
 * Kafka's answer. Whoever wants more waits, and the files are the buffer.
 */
export class WorkPool {
  readonly #benches: Semaphore;
  readonly #budget: Semaphore;
  readonly #troubled: Semaphore;
  readonly #idle: Workbench[];

  /** `bufferBytes`: what all batches without an answer may hold together. */
  constructor(bufferBytes: number, benchesMax = 4) {
    this.#budget = new Semaphore(bufferBytes);
    this.#troubled = new Semaphore(bufferBytes / 2);
    this.#benches = new Semaphore(benchesMax);
    this.#idle = createWorkbenches(benchesMax);
  }

  /** Takes a workbench; give it back. */
  async acquireBench(): Promise<Workbench> {
    await this.#benches.acquire(1);
    return this.#idle.pop() as Workbench;
  }

  releaseBench(bench: Workbench): void {
    this.#idle.push(bench);
    this.#benches.release(1);
  }

  /** Waits for `bytes` of the budget. */
  reserveBytes(bytes: number): Promise<void> {
    return this.#budget.acquire(bytes);
  }

  releaseBytes(bytes: number): void {
    this.#budget.release(bytes);
  }

  /** The same for batches of partitions in trouble, which together get half of the budget: the others go on. */
  async reserveForBlocked(bytes: number): Promise<void> {
    await this.#troubled.acquire(bytes);
    await this.#budget.acquire(bytes);
  }

  releaseFromBlocked(bytes: number): void {
    this.#budget.release(bytes);
    this.#troubled.release(bytes);
  }
}
