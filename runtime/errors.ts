import { AssertionError } from 'node:assert';

export interface CodedErrorOptions {
  /** Whether the same call may succeed later without any change. */
  retryable?: boolean;
  cause?: unknown;
}

/**
 * The base class of errors that leave a module. `Code` is the closed union of the module's codes.
 */
export class CodedError<Code extends string> extends Error {
  readonly code: Code;
  readonly retryable: boolean;

  constructor(code: Code, message: string, { retryable = false, cause }: CodedErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = retryable;
  }
}

/**
 * Rethrows the error of a broken invariant. Call it first where errors are caught and handled: no
 * process continues after a defect (docs/decisions/0025-assertions.md).
 */
export function rethrowDefect(error: unknown): void {
  if (error instanceof AssertionError) throw error;
}

/** One line for a person: the message, then those messages of its causes that add information. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 6; depth++) {
    const text = messageOf(at);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    at = (at as { cause?: unknown }).cause;
  }
  return parts.join(': ') || 'unknown error';
}

/**
 * The details of a gRPC status, without the empty "Resolution note: " that grpc-js appends to some.
 */
export function grpcDetails(details: string): string {
  return details.replace(/\.?\s*Resolution note:\s*$/, '');
}

/** The `code` of a Node.js system error or a CodedError; undefined for other values. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Whether `error` is the reason of an aborted `signal`, or any AbortError. */
export function isAbort(error: unknown, signal?: AbortSignal): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return error instanceof Error && error.name === 'AbortError';
}

function messageOf(value: unknown): string {
  if (value instanceof AggregateError && value.errors.length > 0) {
    const inner = [...new Set(value.errors.map(messageOf))].join('; ');
    return value.message ? `${value.message}: ${inner}` : inner;
  }
  return value instanceof Error ? value.message || value.name : String(value);
}
