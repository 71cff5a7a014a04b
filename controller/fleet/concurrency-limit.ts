/** Runs a limited number of tasks at a time. The others wait in the order in which they came. */
export class ConcurrencyLimit {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  async run<T>(task: () => T | Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await task();
    } finally {
      // The next task takes over the place, so the number of running tasks stays the same.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

/**
 * Runs `task` for every item with `max` workers. A worker stops at its first failure. Rejects with
 * the first failure, once all workers have stopped.
 */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  max: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.pop(); item !== undefined; item = rest.pop()) await task(item);
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(max, rest.length) }, worker));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}
