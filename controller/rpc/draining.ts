import type { CallContext, ServerMiddlewareCall } from 'nice-grpc';
import { ApiError } from '../errors/api-error.ts';

/**
 * Middleware that ends long calls, such as watches and taps, with UNAVAILABLE when the controller
 * stops. Clients then repeat them at another controller. Calls with a single response may finish.
 */
export function endWhen(stopping: AbortSignal) {
  // Not AbortSignal.any, which would leak: every call would stay attached to `stopping`.
  const streaming = new Set<AbortController>();
  stopping.addEventListener('abort', () => {
    for (const call of streaming) call.abort(stopping.reason);
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
    streaming.add(own);
    try {
      yield* call.next(call.request, { ...context, signal: own.signal });
    } catch (error) {
      if (!stopping.aborted) throw error;
    } finally {
      streaming.delete(own);
      context.signal.removeEventListener('abort', end);
    }
    if (stopping.aborted) throw new ApiError('UNAVAILABLE', 'the controller is stopping: connect to another');
    return undefined;
  };
}
