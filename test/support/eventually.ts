import { systemClock } from '../../runtime/clock.ts';

const LOOK_INTERVAL_MS = 25;

/**
 * Repeats `check` until it does not throw, and returns its result. Throws its last error after
 * `timeoutMs`.
 */
export async function eventually<T>(check: () => T | Promise<T>, { timeoutMs = 10_000 } = {}): Promise<T> {
  const deadline = systemClock.monotonicMs() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (systemClock.monotonicMs() > deadline) throw error;
    }
    await systemClock.sleep(LOOK_INTERVAL_MS);
  }
}
