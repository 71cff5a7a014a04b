import { setTimeout as sleepTimer } from 'node:timers/promises';

/** The only source of time, so that tests can bring their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when the host's clock is set. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start; never jumps. For durations and rates. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `then` after `ms`, unless what it returns was called before. For a timeout that seldom passes: to abort a sleep costs an error. */
  after(ms: number, then: () => void): () => void;
}

/** Node's timers take no more than 2^31 - 1 ms, and fire at once instead. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    try {
      await sleepTimer(Math.min(ms, TIMER_MAX_MS), undefined, signal ? { signal } : undefined);
    } catch (error) {
      // node:timers rejects with an AbortError of its own; callers compare with the signal's reason.
      signal?.throwIfAborted();
      throw error;
    }
  },
  after: (ms, then) => {
    const timer = setTimeout(then, Math.min(ms, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
};
