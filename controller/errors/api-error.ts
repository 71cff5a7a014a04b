import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { CodedError } from '../../runtime/errors.ts';

export type ApiErrorCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'RESOURCE_EXHAUSTED'
  | 'DEADLINE_EXCEEDED'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE';

/**
 * An error for a caller of the API: a gRPC code, one sentence, and for INVALID_ARGUMENT every
 * violated field.
 */
export class ApiError extends CodedError<ApiErrorCode> {
  readonly violations: readonly FieldViolation[];

  constructor(
    code: ApiErrorCode,
    message: string,
    options: { violations?: readonly FieldViolation[]; cause?: unknown } = {},
  ) {
    super(code, message, { retryable: code === 'UNAVAILABLE', cause: options.cause });
    this.violations = options.violations ?? [];
  }
}

/**
 * INVALID_ARGUMENT. The message also names every violated field, for clients that show only the
 * message.
 */
export function invalidArgument(violations: readonly FieldViolation[]): ApiError {
  const text = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return new ApiError('INVALID_ARGUMENT', text, { violations });
}
