export interface BackoffOptions {
  /** The upper bound of the first delay. */
  initialMs: number;
  /** The upper bound of every delay. */
  maxMs: number;
  /** Returns a number in [0, 1). The default is Math.random; tests pass their own. */
  random?: () => number;
}

/**
 * The delays of one sequence of retries. Create one per sequence, or `reset` it after a success.
 */
export interface Backoff {
  /** Returns the next delay in milliseconds. */
  next(): number;
  reset(): void;
}

/**
 * Exponential backoff with full jitter: each delay is uniform between 0 and a bound that doubles.
 * When a controller fails, its ten thousand agents reconnect spread over the bound, and not all at
 * once (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */
export function createBackoff({ initialMs, maxMs, random = Math.random }: BackoffOptions): Backoff {
  let boundMs = initialMs;
  return {
    next() {
      const delayMs = random() * boundMs;
      boundMs = Math.min(boundMs * 2, maxMs);
      return delayMs;
    },
    reset() {
      boundMs = initialMs;
    },
  };
}
