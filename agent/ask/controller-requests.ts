import { Answer, type Ask, AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type RequestContext, RequestError, type RequestHandler, type RequestHandlers } from './request-handler.ts';

/** The most requests handled at once. A cancelled one counts until its handler returns. */
const REQUESTS_MAX = 8;
/** The longest time for a request, whatever the controller allows. */
const TIMEOUT_MAX_MS = 3_600_000;

interface ControllerRequestsDependencies {
  clock: Clock;
  logger: Logger;
  /** Called when a response part is ready. */
  onReady(): void;
}

interface PendingResponse {
  answer: Answer;
  /** Called when the part is taken to be sent. */
  onTaken(): void;
}

/**
 * The requests of one stream. Of each, at most one response part waits to be sent, and the next is
 * made only then. So a slow stream slows responses down and costs no memory.
 */
export class ControllerRequests {
  readonly #handlers: RequestHandlers;
  readonly #dependencies: ControllerRequestsDependencies;
  /** What aborts a request, by its id. */
  readonly #open = new Map<bigint, AbortController>();
  readonly #ready: PendingResponse[] = [];
  #running = 0;
  #closed = false;

  constructor(handlers: RequestHandlers, dependencies: ControllerRequestsDependencies) {
    this.#handlers = handlers;
    this.#dependencies = dependencies;
  }

  /** Begins to handle a request. Never throws: an error is a response. */
  accept(ask: Ask): void {
    const handler = ask.question && this.#handlers[ask.question.$case];
    if (!ask.question || !handler) {
      this.#end(ask.id, 'CODE_UNIMPLEMENTED', "this agent's version does not support the request: upgrade the agent");
    } else if (this.#running >= REQUESTS_MAX) {
      this.#end(ask.id, 'CODE_RESOURCE_EXHAUSTED', `the agent is handling ${REQUESTS_MAX} requests: try again later`);
    } else if (!this.#open.has(ask.id)) {
      void this.#handle(ask, (context) => (handler as RequestHandler)(ask.question?.value as never, context));
    }
  }

  cancel(id: bigint): void {
    this.#open.get(id)?.abort();
    this.#open.delete(id);
    // Drop the parts that wait to be sent.
    for (const [index, { answer, onTaken: taken }] of [...this.#ready.entries()].reverse()) {
      if (answer.id !== id) continue;
      this.#ready.splice(index, 1);
      taken();
    }
  }

  /** The next part to send, if one is ready. */
  nextResponse(): Answer | undefined {
    const next = this.#ready.shift();
    next?.onTaken();
    return next?.answer;
  }

  /** Cancels all requests: the stream has ended. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#open.keys()]) this.cancel(id);
    // Parts of finished requests, too: their handlers wait for these to be taken.
    for (const { onTaken: taken } of this.#ready.splice(0)) taken();
  }

  async #handle(ask: Ask, parts: (context: RequestContext) => AsyncIterable<Answer['part']>): Promise<void> {
    const { clock, logger } = this.#dependencies;
    const { id } = ask;
    const stop = new AbortController();
    const { signal } = stop;
    const isOpen = () => this.#open.get(id) === stop;
    this.#open.set(id, stop);
    this.#running++;
    const timeoutMs = Math.min(ask.timeoutMs, TIMEOUT_MAX_MS);
    void clock.sleep(timeoutMs, signal).then(
      () => this.#finish(id, stop, 'CODE_DEADLINE_EXCEEDED', `the agent did not finish within ${timeoutMs / 1000} s`),
      () => {},
    );
    try {
      for await (const part of parts({ signal, deadlineMs: clock.monotonicMs() + timeoutMs })) {
        if (!isOpen()) return;
        await this.#offer(Answer.create({ id, ...(part && { part }) }));
      }
      this.#finish(id, stop);
    } catch (error) {
      const known = error instanceof RequestError;
      if (!known && isOpen()) logger.warn('a request failed', { request: ask.question?.$case, error });
      this.#finish(id, stop, known ? error.code : 'CODE_INTERNAL', errorText(error));
    } finally {
      this.#running--;
    }
  }

  /** Ends the response, unless the request was cancelled. */
  #finish(id: bigint, stop: AbortController, code?: AskError['code'], message = ''): void {
    if (this.#open.get(id) !== stop) return;
    this.#open.delete(id);
    stop.abort();
    this.#end(id, code, message);
  }

  #end(id: bigint, code: AskError['code'] | undefined, message: string): void {
    const error = code && AskError.create({ code, message });
    void this.#offer(Answer.create({ id, done: true, ...(error && { error }) }));
  }

  async #offer(answer: Answer): Promise<void> {
    if (this.#closed) return;
    const waiting = Promise.withResolvers<void>();
    this.#ready.push({ answer, onTaken: waiting.resolve });
    this.#dependencies.onReady();
    await waiting.promise;
  }
}
