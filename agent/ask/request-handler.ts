import type { Answer, Ask, AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import { CodedError } from '../../runtime/errors.ts';

export type AgentRequest = NonNullable<Ask['question']>;
export type ResponsePart = NonNullable<Answer['part']>;
type RequestKind = AgentRequest['$case'];

/** Why a request failed. The caller gets its code and message. */
export class RequestError extends CodedError<AskError['code']> {}

/** The circumstances of a request. */
export interface RequestContext {
  /** Aborted when nobody waits for the response. */
  signal: AbortSignal;
  /** When the response must be complete; monotonic. */
  deadlineMs: number;
}

/**
 * Handles requests of one kind and yields the response in parts. The next part is requested when
 * the one before it was sent. Throws RequestError.
 */
export type RequestHandler<K extends RequestKind = RequestKind> = (
  request: Extract<AgentRequest, { $case: K }>['value'],
  context: RequestContext,
) => AsyncIterable<ResponsePart>;

/** The handlers by the kind of request. */
export type RequestHandlers = { readonly [K in RequestKind]?: RequestHandler<K> };

/** The capabilities that the agent reports in its Hello. */
export function capabilitiesFor(answerers: RequestHandlers): string[] {
  return Object.keys(answerers).map((kind) => kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}
