import type { CallContext, ServerMiddlewareCall } from 'nice-grpc';
import { ApiError } from '../api-error.ts';

/**
 * Middleware: ends the calls that last, agents' streams and watches, with UNAVAILABLE when the controller stops, so that they go on at
 * another. Calls with one answer are let finish. Their `signal` is aborted then, too.
 */
export function endWhen(stopping: AbortSignal) {
  return async function* lasting<Request, Response>(
    call: ServerMiddlewareCall<Request, Response>,
    context: CallContext,
  ) {
    if (!call.responseStream) return yield* call.next(call.request, context);
    const signal = AbortSignal.any([context.signal, stopping]);
    try {
      yield* call.next(call.request, { ...context, signal });
    } catch (error) {
      if (!stopping.aborted) throw error;
    }
    if (stopping.aborted) throw new ApiError('UNAVAILABLE', 'the controller is stopping: connect to another');
    return undefined;
  };
}
