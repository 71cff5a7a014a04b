import type { ClientMiddleware } from 'nice-grpc';
import { systemClock } from '../../runtime/clock.ts';

/** A controller says itself that an agent has no answer in time: it has so long to do so. */
const WORDS_MS = 2_000;

/**
 * A stream's first message must come in the time that one answer may take; then it lasts. Who waits in front of a controller may answer pings
 * for it, so that the connection seems well. Rejects with the TimeoutError that `AbortSignal.timeout` has.
 */
export function firstAnswerWithin(timeoutMs: number): ClientMiddleware {
  return async function* (call, options) {
    if (!call.responseStream) return yield* call.next(call.request, options);
    const late = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, late.signal]) : late.signal;
    const lateMs = timeoutMs + WORDS_MS;
    const inTime = systemClock.after(lateMs, () => late.abort(new DOMException('late', 'TimeoutError')));
    try {
      for await (const response of call.next(call.request, { ...options, signal })) {
        inTime();
        yield response;
      }
      return;
    } catch (error) {
      late.signal.throwIfAborted();
      throw error;
    } finally {
      inTime();
    }
  };
}
