import type { CallContext } from 'nice-grpc';
import type {
  AgentServiceImplementation,
  ConnectRequest,
  ConnectResponse,
  Hello,
} from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { ApiError, invalidArgument } from '../api-error.ts';
import type { AgentSession } from '../fleet/agent-session.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { ReportBounds } from '../fleet/report-bounds.ts';

/** An agent says hello with its first bytes; what connects and says nothing is let go. */
const HELLO_TIMEOUT_MS = 10_000;

/** The agents' streams. */
export class AgentService implements AgentServiceImplementation {
  readonly #fleet: Fleet;
  readonly #clock: Clock;

  constructor(fleet: Fleet, clock: Clock) {
    this.#fleet = fleet;
    this.#clock = clock;
  }

  async *connect(requests: AsyncIterable<ConnectRequest>, { signal }: CallContext): AsyncGenerator<ConnectResponse> {
    const incoming = requests[Symbol.asyncIterator]();
    const session = await this.#fleet.open(await this.#hello(incoming), signal);
    const end = () => session.close();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    let outcome: { failure?: unknown } | undefined;
    // Ends with the call, for the transport closes the request stream.
    void this.#read(incoming, session).then(
      () => {
        outcome = {};
        end();
      },
      (error: unknown) => {
        outcome = { failure: error };
        end();
      },
    );
    try {
      yield* session.messages();
      if (outcome?.failure) throw outcome.failure;
      signal.throwIfAborted();
      if (!outcome) throw new ApiError('ABORTED', 'another stream of this agent has taken over');
    } finally {
      signal.removeEventListener('abort', end);
      await this.#fleet.close(session);
    }
  }

  async #hello(incoming: AsyncIterator<ConnectRequest>): Promise<Hello> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    late.catch(() => {});
    const cancel = this.#clock.after(HELLO_TIMEOUT_MS, () => {
      const description = `no hello within ${HELLO_TIMEOUT_MS / 1000} s`;
      reject(invalidArgument([{ field: 'message', description }]));
    });
    try {
      const { value } = await Promise.race([incoming.next(), late]);
      const message = (value as ConnectRequest | undefined)?.message;
      if (message?.$case === 'hello') return message.value;
      throw invalidArgument([{ field: 'message', description: 'the first message must be hello' }]);
    } finally {
      cancel();
    }
  }

  /** A message is taken by a function of its own: what waits for the next one would keep it until then. */
  async #read(incoming: AsyncIterator<ConnectRequest>, session: AgentSession): Promise<void> {
    const bounds = new ReportBounds(this.#clock);
    for (;;) {
      const pauseMs = this.#take(await incoming.next(), session, bounds);
      if (pauseMs === undefined) return;
      if (pauseMs > 0) await this.#clock.sleep(pauseMs);
    }
  }

  /** How long to wait before the next one; undefined when nothing more is to come. */
  #take(next: IteratorResult<ConnectRequest>, session: AgentSession, bounds: ReportBounds): number | undefined {
    if (next.done) return undefined;
    const { message } = next.value as ConnectRequest;
    switch (message?.$case) {
      case 'report':
        this.#fleet.report(session, message.value);
        bounds.weigh(message.value, session);
        return bounds.pauseMs('report');
      case 'answer':
        session.asks.take(message.value);
        return bounds.pauseMs('answer');
      case 'goodbye':
        session.saidGoodbye = true;
        return undefined;
      case 'hello':
        throw invalidArgument([{ field: 'message', description: 'hello was said already' }]);
      case undefined:
        throw invalidArgument([
          { field: 'message', description: 'is empty, or of a kind that this version does not know' },
        ]);
    }
  }
}
