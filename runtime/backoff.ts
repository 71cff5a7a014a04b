export interface BackoffOptions {
  /** Upper bound of the first delay. */
  initialMs: number;
  /** Upper bound of every delay. */
  maxMs: number;
  /** A number in [0, 1); Math.random unless a test brings its own. */
  random?: () => number;
}

/** Delays for one sequence of retries. Make a fresh one per sequence, or `reset` it after a success. */
export interface Backoff {
  /** The next delay in milliseconds. */
  next(): number;
  reset(): void;
}

/**
 * Exponential backoff with full jitter: each delay is uniform between 0 and a bound that doubles. Ten thousand agents that
 * lost one controller spread evenly over the bound instead of returning in step
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
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
