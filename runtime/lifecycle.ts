import { systemClock } from './clock.ts';
import { errorText } from './errors.ts';
import type { Logger } from './logger.ts';

export type LifecycleState = 'INITIALIZED' | 'RUNNING' | 'DRAINING' | 'STOPPED' | 'FAILED';

const allowed: Record<LifecycleState, readonly LifecycleState[]> = {
  INITIALIZED: ['RUNNING', 'STOPPED', 'FAILED'],
  RUNNING: ['DRAINING', 'FAILED'],
  DRAINING: ['STOPPED', 'FAILED'],
  STOPPED: [],
  FAILED: [],
};

/** A process's state; `to` is the one place that changes it and throws on a step that can't be. */
export interface Lifecycle {
  readonly state: LifecycleState;
  to(next: LifecycleState): void;
}

export function createLifecycle(onChange?: (state: LifecycleState) => void): Lifecycle {
  let state: LifecycleState = 'INITIALIZED';
  return {
    get state() {
      return state;
    },
    to(next) {
      if (!allowed[state].includes(next)) throw new Error(`lifecycle: ${state} can't become ${next}`);
      state = next;
      onChange?.(next);
    },
  };
}

/** Ctrl-C reaches a process from the terminal and again from npm and the bootstrap, which pass it on: that is one signal. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs a process's body until it ends or SIGINT or SIGTERM asks it to drain; a second signal, a second later or more, ends at once with
 * 128 + its number, as shells expect. Returns the exit code: 0, or 1 when the body throws.
 */
export async function runUntilSignal(logger: Logger, body: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const controller = new AbortController();
  let firstMs = 0;
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      if (systemClock.monotonicMs() - firstMs > SAME_SIGNAL_MS) process.exit(name === 'SIGINT' ? 130 : 143);
      return;
    }
    firstMs = systemClock.monotonicMs();
    controller.abort(new DOMException(`received ${name}`, 'AbortError'));
    logger.info('draining; a second signal ends at once', { signal: name });
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    await body(controller.signal);
    return 0;
  } catch (error) {
    logger.error(errorText(error));
    return 1;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
