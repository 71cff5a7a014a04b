export interface CodedErrorOptions {
  /** Whether the same call may succeed later without anybody changing anything. */
  retryable?: boolean;
  cause?: unknown;
}

/** The base of every error that crosses a process edge: `Code` is the closed union of that edge's codes. */
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

/** One line for a person: the message, then the messages of its causes that add something. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 6; depth++) {
    const text = messageOf(at);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    at = (at as { cause?: unknown }).cause;
  }
  return parts.join(': ') || 'unknown error';
}

/** The details of a gRPC status for a person: grpc-js ends some in an empty "Resolution note: ". */
export function grpcDetails(details: string): string {
  return details.replace(/\.?\s*Resolution note:\s*$/, '');
}

/** The `code` of a Node.js system error or of a CodedError, else undefined. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

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
