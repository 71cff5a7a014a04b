import { Answer, Ask, AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Clock } from '../../runtime/clock.ts';
import { invalidArgument } from '../errors/api-error.ts';

/** Questions that an agent has at once; it takes no more either. */
const ASKS_MAX = 8;
/** Of all parts of one answer; of a tap's in a second. */
const ANSWER_BYTES_MAX = { once: 8 * 1024 * 1024, second: 1024 * 1024 };
/** Parts that nobody waits for, in a second: of each question one may be on its way when it is given up. */
const UNASKED_BYTES_MAX = 8 * 1024 * 1024;
const SECOND_MS = 1_000;

export type Question = Omit<Ask, 'id'>;

/** What is to be sent to the agent. */
export type AskMessage = { $case: 'ask'; value: Ask } | { $case: 'cancel'; value: { id: bigint } };

/** Takes each part of an answer, `bytes` long; the last one is `done`. */
export type OnAnswer = (answer: Answer, bytes: number) => void;

/** A bound on bytes in a second. */
class Allowance {
  readonly #max: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #bytes = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether `bytes` more are within it. */
  takes(bytes: number, nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= SECOND_MS) [this.#sinceMs, this.#bytes] = [nowMs, 0];
    this.#bytes += bytes;
    return this.#bytes <= this.#max;
  }
}

interface OpenAsk {
  onAnswer: OnAnswer;
  /** The agent must have said something by then. */
  deadlineMs: number;
  /** How long it may be silent, or take in all. */
  silenceMs: number;
  /** It answers for as long as it is asked to. */
  lasts: boolean;
  allowance: Allowance;
  bytes: number;
  ended: AbortController;
}

/** The questions that one agent has on its stream. Each of them ends, whatever the agent does. */
export class AgentAsks {
  readonly #capabilities: ReadonlySet<string>;
  readonly #version: string;
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #open = new Map<bigint, OpenAsk>();
  readonly #outgoing: AskMessage[] = [];
  readonly #unasked = new Allowance(UNASKED_BYTES_MAX);
  #lastId = 0n;
  #closed = false;

  /** `wake`: there is something to send. */
  constructor(
    { capabilities, version }: { capabilities: readonly string[]; version: string },
    clock: Clock,
    wake: () => void,
  ) {
    this.#capabilities = new Set(capabilities);
    this.#version = version;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Asks; returns what cancels the question. What can't be asked is answered at once. `silenceMs`: see OpenAsk. */
  ask(question: Question, silenceMs: number, onAnswer: OnAnswer): () => void {
    const refused = this.#refusal(question);
    if (refused) {
      onAnswer(failed(...refused), 0);
      return () => {};
    }
    const id = ++this.#lastId;
    const open: OpenAsk = {
      onAnswer,
      deadlineMs: this.#clock.monotonicMs() + silenceMs,
      silenceMs,
      lasts: question.question?.$case === 'tap',
      allowance: new Allowance(ANSWER_BYTES_MAX.second),
      bytes: 0,
      ended: new AbortController(),
    };
    this.#open.set(id, open);
    this.#send({ $case: 'ask', value: Ask.create({ ...question, id }) });
    void this.#watch(id, open);
    return () => this.#cancel(id);
  }

  /** The next message for the agent. */
  next(): AskMessage | undefined {
    return this.#outgoing.shift();
  }

  /** Takes a part of an answer. Throws INVALID_ARGUMENT when the agent tells and tells what nobody asks. */
  take(answer: Answer): void {
    const bytes = Answer.encode(answer).finish().length;
    const nowMs = this.#clock.monotonicMs();
    const open = this.#open.get(answer.id);
    if (!open) {
      if (this.#unasked.takes(bytes, nowMs)) return;
      throw invalidArgument([{ field: 'answer', description: 'nobody asks this' }]);
    }
    open.bytes += bytes;
    if (open.lasts ? !open.allowance.takes(bytes, nowMs) : open.bytes > ANSWER_BYTES_MAX.once) {
      this.#fail(answer.id, 'CODE_RESOURCE_EXHAUSTED', 'the agent answers more than it may');
      return;
    }
    if (open.lasts) open.deadlineMs = nowMs + open.silenceMs;
    if (answer.done) this.#forget(answer.id);
    open.onAnswer(answer, bytes);
  }

  /** The stream has ended. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#open.keys()]) this.#fail(id, 'CODE_UNAVAILABLE', 'the agent has disconnected');
  }

  #refusal({ question }: Question): [AskError['code'], string] | undefined {
    if (!question) return ['CODE_UNIMPLEMENTED', 'this controller does not know the question: upgrade it'];
    const name = question.$case.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (this.#closed) return ['CODE_UNAVAILABLE', 'the agent has disconnected'];
    if (!this.#capabilities.has(name))
      return ['CODE_UNIMPLEMENTED', `the agent's version, ${this.#version}, can't be asked this: upgrade it`];
    if (this.#open.size < ASKS_MAX) return undefined;
    return ['CODE_RESOURCE_EXHAUSTED', `the agent is asked ${ASKS_MAX} questions already: ask again later`];
  }

  /** Gives the question up when the agent is silent for too long. */
  async #watch(id: bigint, open: OpenAsk): Promise<void> {
    const { signal } = open.ended;
    while (!signal.aborted) {
      const leftMs = open.deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) break;
      await this.#clock.sleep(leftMs, signal).catch(() => {});
    }
    if (signal.aborted) return;
    this.#fail(id, 'CODE_DEADLINE_EXCEEDED', `the agent does not answer within ${open.silenceMs / 1000} s`);
  }

  #fail(id: bigint, code: AskError['code'], message: string): void {
    const open = this.#open.get(id);
    this.#cancel(id);
    open?.onAnswer(failed(code, message), 0);
  }

  #cancel(id: bigint): void {
    if (!this.#forget(id) || this.#closed) return;
    const unsent = this.#outgoing.findIndex(({ value }) => value.id === id);
    if (unsent !== -1) this.#outgoing.splice(unsent, 1);
    else this.#send({ $case: 'cancel', value: { id } });
  }

  #forget(id: bigint): boolean {
    this.#open.get(id)?.ended.abort();
    return this.#open.delete(id);
  }

  #send(message: AskMessage): void {
    this.#outgoing.push(message);
    this.#wake();
  }
}

/** The answer of an agent that gives none. */
export function failed(code: AskError['code'], message: string): Answer {
  return Answer.create({ done: true, error: AskError.create({ code, message }) });
}
