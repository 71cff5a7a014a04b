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
class Permits {
  #free: number;
  readonly #waiting: { amount: number; grant: () => void }[] = [];

  constructor(total: number) {
    this.#free = total;
  }

  async take(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#free >= amount) {
      this.#free -= amount;
      return;
    }
    await new Promise<void>((grant) => this.#waiting.push({ amount, grant }));
  }

  give(amount: number): void {
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
  readonly #benches: Permits;
  readonly #budget: Permits;
  readonly #troubled: Permits;
  readonly #idle: Workbench[];

  /** `bufferBytes`: what all batches without an answer may hold together. */
  constructor(bufferBytes: number, benchesMax = 4) {
    this.#budget = new Permits(bufferBytes);
    this.#troubled = new Permits(bufferBytes / 2);
    this.#benches = new Permits(benchesMax);
    this.#idle = createWorkbenches(benchesMax);
  }

  /** Takes a workbench; give it back. */
  async takeBench(): Promise<Workbench> {
    await this.#benches.take(1);
    return this.#idle.pop() as Workbench;
  }

  giveBench(bench: Workbench): void {
    this.#idle.push(bench);
    this.#benches.give(1);
  }

  /** Waits for `bytes` of the budget. */
  takeBytes(bytes: number): Promise<void> {
    return this.#budget.take(bytes);
  }

  giveBytes(bytes: number): void {
    this.#budget.give(bytes);
  }

  /** The same for batches of partitions in trouble, which together get half of the budget: the others go on. */
  async takeTroubled(bytes: number): Promise<void> {
    await this.#troubled.take(bytes);
    await this.#budget.take(bytes);
  }

  giveTroubled(bytes: number): void {
    this.#budget.give(bytes);
    this.#troubled.give(bytes);
  }
}
