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

/**
 * The state of a process. Only `enter` changes it, and throws for a transition that is not allowed.
 */
export interface Lifecycle {
  readonly state: LifecycleState;
  enter(next: LifecycleState): void;
}

export function createLifecycle(onChange?: (state: LifecycleState) => void): Lifecycle {
  let state: LifecycleState = 'INITIALIZED';
  return {
    get state() {
      return state;
    },
    enter(next) {
      if (!allowed[state].includes(next))
        throw new Error(`lifecycle: the transition from ${state} to ${next} is not allowed`);
      state = next;
      onChange?.(next);
    },
  };
}

/**
 * Ctrl-C arrives from the terminal and again from npm and bin/bootstrap.mjs, which forward it. It
 * counts once.
 */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs the body of a process until it ends. SIGINT and SIGTERM abort its signal, so it drains. A
 * second signal, at least a second later, ends the process immediately with 128 plus the signal's
 * number, as shells expect. Returns the exit code: 0, or 1 if the body throws.
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
    logger.info('draining; a second signal ends the process immediately', { signal: name });
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    await body(controller.signal);
    return 0;
  } catch (error) {
    logger.error('stopped by an error', { error: errorText(error) });
    return 1;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
