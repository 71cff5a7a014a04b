import type { ClientMiddleware } from 'nice-grpc';
import { systemClock } from '../../runtime/clock.ts';

/**
 * The controller itself reports agents that do not respond within the timeout; this is its time to
 * do so.
 */
const CONTROLLER_GRACE_MS = 2_000;

/**
 * Limits the wait for a stream's first message; later messages may take any time. A proxy in front
 * of the controller may answer HTTP/2 pings, so a dead controller would go unnoticed otherwise.
 * Rejects with a TimeoutError, as `AbortSignal.timeout` does.
 */
export function firstResponseWithin(timeoutMs: number): ClientMiddleware {
  return async function* (call, options) {
    if (!call.responseStream) return yield* call.next(call.request, options);
    const timeout = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, timeout.signal]) : timeout.signal;
    const abort = () => timeout.abort(new DOMException('no first response', 'TimeoutError'));
    const cancel = systemClock.after(timeoutMs + CONTROLLER_GRACE_MS, abort);
    try {
      for await (const response of call.next(call.request, { ...options, signal })) {
        cancel();
        yield response;
      }
      return;
    } catch (error) {
      timeout.signal.throwIfAborted();
      throw error;
    } finally {
      cancel();
    }
  };
}
