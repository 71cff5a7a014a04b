import { setTimeout as sleepTimer } from 'node:timers/promises';

/** The only source of time. Tests pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. Jumps when the host's clock is set. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start. Never jumps; for durations and rates. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds. Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Calls `then` after `ms` milliseconds, unless the returned function was called before. For
   * timeouts that rarely expire: unlike an aborted `sleep` it creates no error.
   */
  after(ms: number, then: () => void): () => void;
}

/** A timer of Node.js with a longer delay than 2^31 - 1 ms fires immediately. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    try {
      await sleepTimer(Math.min(ms, TIMER_MAX_MS), undefined, signal ? { signal } : undefined);
    } catch (error) {
      // node:timers rejects with its own AbortError, but callers compare with the signal's reason.
      signal?.throwIfAborted();
      throw error;
    }
  },
  after: (ms, then) => {
    const timer = setTimeout(then, Math.min(ms, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
};
