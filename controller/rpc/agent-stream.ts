import { Metadata, type ServerInterceptingCallInterface, status as Status } from '@grpc/grpc-js';
import type { ServerError } from 'nice-grpc';
import type { ConnectRequest, Hello } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { AgentSession } from '../fleet/agent-session.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { ReportBounds } from '../fleet/report-bounds.ts';

/** An agent says hello with its first bytes; what connects and says nothing is let go. */
const HELLO_TIMEOUT_MS = 10_000;

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];

/** What all streams share. */
export interface AgentStreamTools {
  fleet: Fleet;
  clock: Clock;
  /** Makes of an error what the agent is told. */
  toServerError(error: unknown): ServerError;
  /** It has begun; not called for a call that was over before. */
  onBegin(stream: AgentStream): void;
  onEnd(stream: AgentStream): void;
}

/**
 * One agent's call: waits for hello, opens a session, then passes reports up and messages down until either side ends it. One message is
 * read at a time, and one is written: whoever is slow holds up only itself.
 */
export class AgentStream implements Listener {
  readonly #call: ServerInterceptingCallInterface;
  readonly #tools: AgentStreamTools;
  #state: 'HELLO' | 'OPENING' | 'OPEN' | 'ENDED' = 'HELLO';
  #session: AgentSession | undefined;
  #bounds: ReportBounds | undefined;
  /** Ends the wait for hello, then for the session, then pauses in reading. */
  #cancelWait: () => void = () => {};
  /** A message is on its way, or is about to be made. */
  #isWriting = false;

  constructor(call: ServerInterceptingCallInterface, tools: AgentStreamTools) {
    this.#call = call;
    this.#tools = tools;
  }

  onReceiveMetadata(): void {
    this.#tools.onBegin(this);
    if (this.#isEnded()) return;
    this.#cancelWait = this.#tools.clock.after(HELLO_TIMEOUT_MS, () => {
      this.end(refusal(`no hello within ${HELLO_TIMEOUT_MS / 1000} s`));
    });
    this.#call.sendMetadata(new Metadata());
    this.#call.startRead();
  }

  onReceiveMessage({ message }: ConnectRequest): void {
    if (this.#state === 'HELLO') {
      this.#cancelWait();
      if (message?.$case === 'hello') void this.#open(message.value);
      else this.end(refusal('the first message must be hello'));
    } else if (this.#session && this.#state === 'OPEN') this.#take(message, this.#session);
  }

  onReceiveHalfClose(): void {
    this.end(this.#state === 'HELLO' ? refusal('the first message must be hello') : undefined);
  }

  /** The call is over: the connection broke, or the status was sent. */
  onCancel(): void {
    this.end(undefined);
  }

  /** Ends the stream; with `error`, or in good order. Whatever else is wrong with it afterwards, it has ended. */
  end(error: unknown): void {
    if (this.#state === 'ENDED') return;
    this.#state = 'ENDED';
    this.#cancelWait();
    void this.#close(error);
  }

  async #open(hello: Hello): Promise<void> {
    this.#state = 'OPENING';
    const waiting = new AbortController();
    this.#cancelWait = () => waiting.abort();
    try {
      const session = await this.#tools.fleet.open(hello, waiting.signal);
      this.#session = session;
      if (this.#isEnded()) return await this.#tools.fleet.close(session);
      this.#state = 'OPEN';
      this.#cancelWait = () => {};
      session.begin({
        wake: () => this.#write(),
        ended: () => this.end(new ApiError('ABORTED', 'another stream of this agent has taken over')),
      });
      this.#call.startRead();
    } catch (error) {
      this.end(error);
    }
  }

  #take(message: ConnectRequest['message'], session: AgentSession): void {
    try {
      const isLast = !take(message, session, this.#tools.fleet);
      if (isLast) this.end(undefined);
      else this.#readNext(message, session);
    } catch (error) {
      this.end(error);
    }
  }

  /** After a pause, where the agent tells too much: the rest waits at the agent. */
  #readNext(message: ConnectRequest['message'], session: AgentSession): void {
    this.#bounds ??= new ReportBounds(this.#tools.clock);
    if (message?.$case === 'report') this.#bounds.weigh(message.value, session);
    const pauseMs = this.#bounds.pauseMs(message?.$case === 'answer' ? 'answer' : 'report');
    if (pauseMs > 0) this.#cancelWait = this.#tools.clock.after(pauseMs, () => this.#call.startRead());
    else this.#call.startRead();
  }

  /** In a microtask: of changes that come together, one message is made. */
  #write(): void {
    if (this.#isWriting || this.#state !== 'OPEN') return;
    this.#isWriting = true;
    queueMicrotask(() => {
      this.#isWriting = false;
      const message = this.#state === 'OPEN' ? this.#session?.next() : undefined;
      if (!message) return;
      this.#isWriting = true;
      this.#call.sendMessage(message, () => {
        this.#isWriting = false;
        this.#write();
      });
    });
  }

  async #close(error: unknown): Promise<void> {
    if (this.#session) await this.#tools.fleet.close(this.#session);
    this.#tools.onEnd(this);
    if (error === undefined) {
      this.#call.sendStatus({ code: Status.OK, details: '' });
      return;
    }
    const { code, details } = this.#tools.toServerError(error);
    this.#call.sendStatus({ code: code as number, details });
  }

  #isEnded(): boolean {
    return this.#state === 'ENDED';
  }
}

/** Takes a message of an open stream; false when nothing more is to come. */
function take(message: ConnectRequest['message'], session: AgentSession, fleet: Fleet): boolean {
  switch (message?.$case) {
    case 'report':
      fleet.report(session, message.value);
      return true;
    case 'answer':
      session.asks.take(message.value);
      return true;
    case 'goodbye':
      session.saidGoodbye = true;
      return false;
    case 'hello':
      throw refusal('hello was said already');
    case undefined:
      throw refusal('is empty, or of a kind that this version does not know');
  }
}

function refusal(description: string): ApiError {
  return invalidArgument([{ field: 'message', description }]);
}
