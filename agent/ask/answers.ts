import { Answer, type Ask, AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type Answerer, type Answerers, QuestionError } from './questions.ts';

/** Questions that are answered at once; one that is given up counts until it has noticed. */
const QUESTIONS_MAX = 8;
/** What a controller asks for can't be longer, whatever it says. */
const TIMEOUT_MAX_MS = 3_600_000;

interface AnswersTools {
  clock: Clock;
  logger: Logger;
  /** There is something to take. */
  onReady(): void;
}

interface Waiting {
  answer: Answer;
  /** The part is on its way. */
  taken(): void;
}

/**
 * The questions asked on one stream. Of each at most one part waits to be taken, and the next is made only then: a slow stream makes
 * answers slow, and costs no memory.
 */
export class Answers {
  readonly #answerers: Answerers;
  readonly #tools: AnswersTools;
  /** What ends a question, by its id. */
  readonly #open = new Map<bigint, AbortController>();
  readonly #ready: Waiting[] = [];
  #running = 0;
  #closed = false;

  constructor(answerers: Answerers, tools: AnswersTools) {
    this.#answerers = answerers;
    this.#tools = tools;
  }

  /** Begins to answer. Never throws: whatever is wrong is an answer. */
  ask(ask: Ask): void {
    const answerer = ask.question && this.#answerers[ask.question.$case];
    if (!ask.question || !answerer) {
      this.#end(ask.id, 'CODE_UNIMPLEMENTED', "this agent's version does not know the question: upgrade it");
    } else if (this.#running >= QUESTIONS_MAX) {
      this.#end(
        ask.id,
        'CODE_RESOURCE_EXHAUSTED',
        `the agent answers ${QUESTIONS_MAX} questions already: ask again later`,
      );
    } else if (!this.#open.has(ask.id)) {
      void this.#answer(ask, (asking) => (answerer as Answerer)(ask.question?.value as never, asking));
    }
  }

  cancel(id: bigint): void {
    this.#open.get(id)?.abort();
    this.#open.delete(id);
    // What waits is not wanted any more.
    for (const [index, { answer, taken }] of [...this.#ready.entries()].reverse()) {
      if (answer.id !== id) continue;
      this.#ready.splice(index, 1);
      taken();
    }
  }

  /** The next part to be sent; undefined when there is none now. */
  take(): Answer | undefined {
    const next = this.#ready.shift();
    next?.taken();
    return next?.answer;
  }

  /** The stream has ended: so have its questions. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#open.keys()]) this.cancel(id);
    // Also of questions that have ended: whoever answers waits for its part to go, and would never clean up.
    for (const { taken } of this.#ready.splice(0)) taken();
  }

  async #answer(ask: Ask, parts: (asking: Parameters<Answerer>[1]) => AsyncIterable<Answer['part']>): Promise<void> {
    const { clock, logger } = this.#tools;
    const { id } = ask;
    const stop = new AbortController();
    const { signal } = stop;
    const isOpen = () => this.#open.get(id) === stop;
    this.#open.set(id, stop);
    this.#running++;
    const timeoutMs = Math.min(ask.timeoutMs, TIMEOUT_MAX_MS);
    void clock.sleep(timeoutMs, signal).then(
      () => this.#finish(id, stop, 'CODE_DEADLINE_EXCEEDED', `the agent has no answer within ${timeoutMs / 1000} s`),
      () => {},
    );
    try {
      for await (const part of parts({ signal, deadlineMs: clock.monotonicMs() + timeoutMs })) {
        if (!isOpen()) return;
        await this.#offer(Answer.create({ id, ...(part && { part }) }));
      }
      this.#finish(id, stop);
    } catch (error) {
      const known = error instanceof QuestionError;
      if (!known && isOpen()) logger.warn('a question could not be answered', { question: ask.question?.$case, error });
      this.#finish(id, stop, known ? error.code : 'CODE_INTERNAL', errorText(error));
    } finally {
      this.#running--;
    }
  }

  /** Says that the answer ends, unless it is not wanted any more. */
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
    this.#ready.push({ answer, taken: waiting.resolve });
    this.#tools.onReady();
    await waiting.promise;
  }
}
