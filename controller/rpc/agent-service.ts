import type { CallContext } from 'nice-grpc';
import type {
  AgentServiceImplementation,
  ConnectRequest,
  ConnectResponse,
} from '../../proto/gen/logfleet/v1/agent_service.ts';
import { ApiError, invalidArgument } from '../api-error.ts';
import type { AgentSession } from '../fleet/agent-session.ts';
import type { Fleet } from '../fleet/fleet.ts';

/** The agents' streams. */
export class AgentService implements AgentServiceImplementation {
  readonly #fleet: Fleet;
  #draining = false;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Ends all streams with UNAVAILABLE, and takes no new ones. */
  drain(): void {
    this.#draining = true;
    this.#fleet.closeAll();
  }

  async *connect(requests: AsyncIterable<ConnectRequest>, { signal }: CallContext): AsyncGenerator<ConnectResponse> {
    if (this.#draining) throw stopping();
    const incoming = requests[Symbol.asyncIterator]();
    const { value: first } = await incoming.next();
    const hello = (first as ConnectRequest | undefined)?.message;
    if (hello?.$case !== 'hello')
      throw invalidArgument([{ field: 'message', description: 'the first message must be hello' }]);
    const session = await this.#fleet.open(hello.value);
    const end = () => session.close();
    signal.addEventListener('abort', end, { once: true });
    let failure: unknown;
    const reading = this.#read(incoming, session).then(end, (error: unknown) => {
      failure = error;
      end();
    });
    try {
      for await (const desired of session.desired()) yield { message: { $case: 'desired', value: desired } };
      if (session.saidGoodbye) return;
      if (failure) throw failure;
      if (this.#draining) throw stopping();
      signal.throwIfAborted();
      throw new ApiError('ABORTED', 'another stream of this agent has taken over');
    } finally {
      signal.removeEventListener('abort', end);
      await this.#fleet.close(session);
      // The reader ends with the call, for the transport closes the request stream.
      reading.catch(() => {});
    }
  }

  async #read(incoming: AsyncIterator<ConnectRequest>, session: AgentSession): Promise<void> {
    for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
      const { message } = next.value;
      switch (message?.$case) {
        case 'report':
          this.#fleet.report(session, message.value);
          break;
        case 'goodbye':
          session.saidGoodbye = true;
          return;
        case 'hello':
          throw invalidArgument([{ field: 'message', description: 'hello was said already' }]);
        case undefined:
          throw invalidArgument([
            { field: 'message', description: 'is empty, or of a kind that this version does not know' },
          ]);
      }
    }
  }
}

function stopping(): ApiError {
  return new ApiError('UNAVAILABLE', 'the controller is stopping: connect to another');
}
