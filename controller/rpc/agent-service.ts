import { ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { ServerError, Status } from 'nice-grpc';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { ConnectedAgents } from '../fleet/connected-agents.ts';
import { AgentStreamDefinition } from './agent-definition.ts';
import { AgentStream, type AgentStreamContext } from './agent-stream.ts';
import { toServerError } from './error-mapping.ts';

const CONNECT = `/${AgentStreamDefinition.fullName}/${AgentStreamDefinition.methods.connect.name}`;

/**
 * The agents' streams, directly on grpc-js. A controller has ten thousand of them. The layers of
 * async generators of nice-grpc and its middleware would cost memory for each, and time when it
 * begins (docs/decisions/0014-ten-thousand-agents.md).
 */
export class AgentService {
  readonly #context: AgentStreamContext;
  readonly #streams = new Set<AgentStream>();
  #isStopping = false;

  constructor(connected: ConnectedAgents, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#context = {
      connected,
      clock,
      toServerError: (error) => toServerError(error, CONNECT, logger),
      onBegin: (stream) => {
        if (this.#isStopping) stream.end(stoppingError());
        else this.#streams.add(stream);
      },
      onEnd: (stream) => this.#streams.delete(stream),
    };
  }

  /** Handles the calls of agents, and passes all others on. */
  get interceptor(): ServerInterceptor {
    return (method, call) => {
      if (method.path !== CONNECT) return call as ServerInterceptingCall;
      return new ServerInterceptingCall(call, { start: () => call.start(new AgentStream(call, this.#context)) });
    };
  }

  /** The server calls `interceptor` only for services that have handlers. */
  get handlers() {
    return {
      // biome-ignore lint/correctness/useYield: never called.
      async *connect(): AsyncGenerator<never> {
        throw new ServerError(Status.INTERNAL, 'the interceptor handles this call');
      },
    };
  }

  /** Ends all streams, so that the agents connect to another controller. */
  stop(): void {
    this.#isStopping = true;
    for (const stream of this.#streams) stream.end(stoppingError());
  }
}

function stoppingError(): ApiError {
  return new ApiError('UNAVAILABLE', 'the controller is stopping: connect to another');
}
