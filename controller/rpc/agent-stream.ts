import { Metadata, type ServerInterceptingCallInterface, status as Status } from '@grpc/grpc-js';
import type { ServerError } from 'nice-grpc';
import type { ConnectRequest, Hello } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { AgentSession } from '../fleet/agent-session.ts';
import type { ConnectedAgents } from '../fleet/connected-agents.ts';
import { ReportBounds } from '../fleet/report-bounds.ts';

/** Agents send hello at once. A client that sends nothing is disconnected after this time. */
const HELLO_TIMEOUT_MS = 10_000;

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];

/** What all streams share. */
export interface AgentStreamContext {
  connected: ConnectedAgents;
  clock: Clock;
  /** Converts an error to the status for the agent. */
  toServerError(error: unknown): ServerError;
  /** The call has begun. Not called if it ended before. */
  onBegin(stream: AgentStream): void;
  onEnd(stream: AgentStream): void;
}

/**
 * One agent's call. It waits for hello, opens a session, then reads reports and writes messages
 * until either side ends it. It reads and writes one message at a time, so a slow agent delays only
 * itself.
 *
 *     HELLO → OPENING → OPEN → ENDED    (every state → ENDED)
 */
export class AgentStream implements Listener {
  readonly #call: ServerInterceptingCallInterface;
  readonly #context: AgentStreamContext;
  #state: 'HELLO' | 'OPENING' | 'OPEN' | 'ENDED' = 'HELLO';
  #session: AgentSession | undefined;
  #bounds: ReportBounds | undefined;
  /** Cancels what the stream is waiting for: hello, then the session, then the end of a pause. */
  #cancelWait: () => void = () => {};
  /** A message is being written or about to be read from the session. */
  #isWriting = false;

  constructor(call: ServerInterceptingCallInterface, context: AgentStreamContext) {
    this.#call = call;
    this.#context = context;
  }

  onReceiveMetadata(): void {
    this.#context.onBegin(this);
    if (this.#isEnded()) return;
    this.#cancelWait = this.#context.clock.after(HELLO_TIMEOUT_MS, () => {
      this.end(protocolError(`no hello within ${HELLO_TIMEOUT_MS / 1000} s`));
    });
    this.#call.sendMetadata(new Metadata());
    this.#call.startRead();
  }

  onReceiveMessage({ message }: ConnectRequest): void {
    if (this.#state === 'HELLO') {
      this.#cancelWait();
      if (message?.$case === 'hello') void this.#open(message.value);
      else this.end(protocolError('the first message must be hello'));
    } else if (this.#session && this.#state === 'OPEN') this.#handleMessage(message, this.#session);
  }

  onReceiveHalfClose(): void {
    this.end(this.#state === 'HELLO' ? protocolError('the first message must be hello') : undefined);
  }

  /** The call has ended: the connection broke, or the status was sent. */
  onCancel(): void {
    this.end(undefined);
  }

  /** Ends the stream, with OK unless there is an `error`. Later errors are ignored. */
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
      const session = await this.#context.connected.open(hello, waiting.signal);
      this.#session = session;
      if (this.#isEnded()) return await this.#context.connected.close(session);
      this.#state = 'OPEN';
      this.#cancelWait = () => {};
      session.begin({
        wake: () => this.#write(),
        handleEnd: () => this.end(new ApiError('ABORTED', 'another stream of this agent has taken over')),
      });
      this.#call.startRead();
    } catch (error) {
      this.end(error);
    }
  }

  #handleMessage(message: ConnectRequest['message'], session: AgentSession): void {
    try {
      const isLast = handleMessage(message, session, this.#context.connected);
      if (isLast) this.end(undefined);
      else this.#readNext(message, session);
    } catch (error) {
      this.end(error);
    }
  }

  /** Reads on, after a pause if the agent sends too much: its messages wait at the agent. */
  #readNext(message: ConnectRequest['message'], session: AgentSession): void {
    this.#bounds ??= new ReportBounds(this.#context.clock);
    if (message?.$case === 'report') this.#bounds.checkSize(message.value, session.reported);
    const pauseMs = this.#bounds.pauseMs(message?.$case === 'answer' ? 'answer' : 'report');
    if (pauseMs > 0) this.#cancelWait = this.#context.clock.after(pauseMs, () => this.#call.startRead());
    else this.#call.startRead();
  }

  /** Writes in a microtask, so that changes that arrive together become one message. */
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
    if (this.#session) await this.#context.connected.close(this.#session);
    this.#context.onEnd(this);
    if (error === undefined) {
      this.#call.sendStatus({ code: Status.OK, details: '' });
      return;
    }
    const { code, details } = this.#context.toServerError(error);
    this.#call.sendStatus({ code: code as number, details });
  }

  #isEnded(): boolean {
    return this.#state === 'ENDED';
  }
}

/** Handles a message of an open stream. Returns whether it is the last one. */
function handleMessage(message: ConnectRequest['message'], session: AgentSession, connected: ConnectedAgents): boolean {
  switch (message?.$case) {
    case 'report':
      connected.report(session, message.value);
      return false;
    case 'answer':
      session.requests.handlePart(message.value);
      return false;
    case 'goodbye':
      session.handleGoodbye();
      return true;
    case 'hello':
      throw protocolError('hello was sent already');
    case undefined:
      throw protocolError('is empty, or of a kind that this version does not know');
  }
}

function protocolError(description: string): ApiError {
  return invalidArgument([{ field: 'message', description }]);
}
