import { type CallContext, ServerError, type ServerMiddlewareCall, Status } from 'nice-grpc';
import { BadRequest, RichServerError } from 'nice-grpc-error-details';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import { StoreError } from '../etcd/store-error.ts';

const storeStatus = {
  UNAVAILABLE: Status.UNAVAILABLE,
  DENIED: Status.UNAVAILABLE,
  REFUSED: Status.INTERNAL,
  TOO_LARGE: Status.RESOURCE_EXHAUSTED,
  TOO_MANY: Status.RESOURCE_EXHAUSTED,
  FULL: Status.RESOURCE_EXHAUSTED,
} as const;

/**
 * Middleware that maps errors to gRPC statuses, in the only place that does. Unexpected errors are
 * logged.
 */
export function mapErrors(logger: Logger) {
  return async function* mapped<Request, Response>(
    call: ServerMiddlewareCall<Request, Response>,
    context: CallContext,
  ) {
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      throw isAbort(error) ? error : toServerError(error, call.method.path, logger);
    }
  };
}

/** The gRPC status for an error. An unexpected error is logged and becomes INTERNAL. */
export function toServerError(error: unknown, method: string, logger: Logger): ServerError {
  if (error instanceof ServerError) return error;
  if (error instanceof ApiError) {
    if (error.violations.length === 0) return new ServerError(Status[error.code], error.message);
    const fieldViolations = error.violations.map(({ field, description }) => ({ field, description }));
    return new RichServerError(Status[error.code], error.message, [BadRequest.fromPartial({ fieldViolations })]);
  }
  if (error instanceof StoreError) return new ServerError(storeStatus[error.code], errorText(error));
  logger.error('unexpected error in a call', { method, error: (error as Error).stack ?? errorText(error) });
  return new ServerError(Status.INTERNAL, errorText(error));
}
