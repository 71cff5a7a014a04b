import type { CallContext, ServerMiddlewareCall } from 'nice-grpc';
import { ApiError } from '../errors/api-error.ts';

/**
 * Middleware: ends the calls that last, watches and taps, with UNAVAILABLE when the controller stops, so that they go on at
 * another. Calls with one answer are let finish. Their `signal` is aborted then, too.
 */
export function endWhen(stopping: AbortSignal) {
  // Not AbortSignal.any: each call would hang on to `stopping`.
  const lasting = new Set<AbortController>();
  stopping.addEventListener('abort', () => {
    for (const call of lasting) call.abort(stopping.reason);
  });
  return async function* untilStopping<Request, Response>(
    call: ServerMiddlewareCall<Request, Response>,
    context: CallContext,
  ) {
    if (!call.responseStream) return yield* call.next(call.request, context);
    const own = new AbortController();
    const end = () => own.abort(context.signal.reason);
    context.signal.addEventListener('abort', end, { once: true });
    if (context.signal.aborted) end();
    if (stopping.aborted) own.abort(stopping.reason);
    lasting.add(own);
    try {
      yield* call.next(call.request, { ...context, signal: own.signal });
    } catch (error) {
      if (!stopping.aborted) throw error;
    } finally {
      lasting.delete(own);
      context.signal.removeEventListener('abort', end);
    }
    if (stopping.aborted) throw new ApiError('UNAVAILABLE', 'the controller is stopping: connect to another');
    return undefined;
  };
}
