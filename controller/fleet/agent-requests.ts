import { Answer, Ask, AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Clock } from '../../runtime/clock.ts';
import { invalidArgument } from '../errors/api-error.ts';

/** Open requests of one agent. Agents accept no more, either. */
const REQUESTS_MAX = 8;
/** `once`: all parts of one response. `second`: the parts of a tap within a second. */
const RESPONSE_BYTES_MAX = { once: 8 * 1024 * 1024, second: 1024 * 1024 };
/** Unexpected parts within a second. One may be on its way when a request is cancelled. */
const UNEXPECTED_BYTES_MAX = 8 * 1024 * 1024;
const SECOND_MS = 1_000;

/** A request to an agent, before it has an id. */
export type AgentRequest = Omit<Ask, 'id'>;

/** A message to send to the agent. */
export type RequestMessage = { $case: 'ask'; value: Ask } | { $case: 'cancel'; value: { id: bigint } };

/** Called for each part of a response, `bytes` long. The last part is `done`. */
export type OnResponse = (part: Answer, bytes: number) => void;

/** Limits the bytes in a second. */
class ByteRateLimit {
  readonly #max: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #bytes = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts `bytes`; returns whether the limit allows them. */
  allows(bytes: number, nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= SECOND_MS) [this.#sinceMs, this.#bytes] = [nowMs, 0];
    this.#bytes += bytes;
    return this.#bytes <= this.#max;
  }
}

interface OpenRequest {
  onResponse: OnResponse;
  /** When the agent must have sent the next part. */
  deadlineMs: number;
  /** How long a tap may be silent, or how long any other request may take. */
  silenceMs: number;
  /** A tap: it sends parts until it is cancelled. */
  isTap: boolean;
  rateLimit: ByteRateLimit;
  bytes: number;
  ended: AbortController;
}

/** The requests that are open on one agent's stream. Each of them ends, whatever the agent does. */
export class AgentRequests {
  readonly #capabilities: ReadonlySet<string>;
  readonly #version: string;
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #open = new Map<bigint, OpenRequest>();
  readonly #outgoing: RequestMessage[] = [];
  readonly #unexpected = new ByteRateLimit(UNEXPECTED_BYTES_MAX);
  #lastId = 0n;
  #closed = false;

  /** `wake` is called when there is a message to send. */
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

  /**
   * Sends a request. Returns a function that cancels it. A request that cannot be sent gets an
   * error at once. `silenceMs`: see OpenRequest.
   */
  send(request: AgentRequest, silenceMs: number, onResponse: OnResponse): () => void {
    const refused = this.#refusal(request);
    if (refused) {
      onResponse(errorPart(...refused), 0);
      return () => {};
    }
    const id = ++this.#lastId;
    const open: OpenRequest = {
      onResponse,
      deadlineMs: this.#clock.monotonicMs() + silenceMs,
      silenceMs,
      isTap: request.question?.$case === 'tap',
      rateLimit: new ByteRateLimit(RESPONSE_BYTES_MAX.second),
      bytes: 0,
      ended: new AbortController(),
    };
    this.#open.set(id, open);
    this.#enqueue({ $case: 'ask', value: Ask.create({ ...request, id }) });
    void this.#watchDeadline(id, open);
    return () => this.#cancel(id);
  }

  /** The next message to send to the agent. */
  next(): RequestMessage | undefined {
    return this.#outgoing.shift();
  }

  /**
   * Takes in a part of a response. Throws INVALID_ARGUMENT when an agent sends too much
   * unexpectedly.
   */
  handlePart(part: Answer): void {
    const bytes = Answer.encode(part).finish().length;
    const nowMs = this.#clock.monotonicMs();
    const open = this.#open.get(part.id);
    if (!open) {
      if (this.#unexpected.allows(bytes, nowMs)) return;
      throw invalidArgument([{ field: 'answer', description: 'no request is open with this id' }]);
    }
    open.bytes += bytes;
    if (open.isTap ? !open.rateLimit.allows(bytes, nowMs) : open.bytes > RESPONSE_BYTES_MAX.once) {
      this.#fail(part.id, 'CODE_RESOURCE_EXHAUSTED', 'the response of the agent is too large');
      return;
    }
    if (open.isTap) open.deadlineMs = nowMs + open.silenceMs;
    if (part.done) this.#forget(part.id);
    open.onResponse(part, bytes);
  }

  /** Ends all requests: the stream has ended. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#open.keys()]) this.#fail(id, 'CODE_UNAVAILABLE', 'the agent has disconnected');
  }

  #refusal({ question }: AgentRequest): [AskError['code'], string] | undefined {
    if (!question) return ['CODE_UNIMPLEMENTED', 'this controller does not know the request: upgrade the controller'];
    const name = question.$case.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (this.#closed) return ['CODE_UNAVAILABLE', 'the agent has disconnected'];
    if (!this.#capabilities.has(name))
      return [
        'CODE_UNIMPLEMENTED',
        `version ${this.#version} of the agent does not support this request: upgrade the agent`,
      ];
    if (this.#open.size < REQUESTS_MAX) return undefined;
    return ['CODE_RESOURCE_EXHAUSTED', `the agent has ${REQUESTS_MAX} open requests already: try again later`];
  }

  /** Ends the request when the agent is silent for too long. */
  async #watchDeadline(id: bigint, open: OpenRequest): Promise<void> {
    const { signal } = open.ended;
    while (!signal.aborted) {
      const leftMs = open.deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) break;
      await this.#clock.sleep(leftMs, signal).catch(() => {});
    }
    if (signal.aborted) return;
    this.#fail(id, 'CODE_DEADLINE_EXCEEDED', `the agent did not respond within ${open.silenceMs / 1000} s`);
  }

  #fail(id: bigint, code: AskError['code'], message: string): void {
    const open = this.#open.get(id);
    this.#cancel(id);
    open?.onResponse(errorPart(code, message), 0);
  }

  #cancel(id: bigint): void {
    if (!this.#forget(id) || this.#closed) return;
    const unsent = this.#outgoing.findIndex(({ value }) => value.id === id);
    if (unsent !== -1) this.#outgoing.splice(unsent, 1);
    else this.#enqueue({ $case: 'cancel', value: { id } });
  }

  #forget(id: bigint): boolean {
    this.#open.get(id)?.ended.abort();
    return this.#open.delete(id);
  }

  #enqueue(message: RequestMessage): void {
    this.#outgoing.push(message);
    this.#wake();
  }
}

/** The last part of a response that is an error. */
export function errorPart(code: AskError['code'], message: string): Answer {
  return Answer.create({ done: true, error: AskError.create({ code, message }) });
}
