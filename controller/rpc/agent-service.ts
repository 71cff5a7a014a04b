import { ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { ServerError, Status } from 'nice-grpc';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { AgentStreamDefinition } from './agent-definition.ts';
import { AgentStream, type AgentStreamTools } from './agent-stream.ts';
import { toServerError } from './error-mapping.ts';

const CONNECT = `/${AgentStreamDefinition.fullName}/${AgentStreamDefinition.methods.connect.name}`;

/**
 * The agents' streams, on grpc-js itself: there are ten thousand of them, and each layer of async generators that nice-grpc and its
 * middleware would put around one costs memory, and time when it begins.
 */
export class AgentService {
  readonly #tools: AgentStreamTools;
  readonly #streams = new Set<AgentStream>();
  #isStopping = false;

  constructor(fleet: Fleet, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#tools = {
      fleet,
      clock,
      toServerError: (error) => toServerError(error, CONNECT, logger),
      onBegin: (stream) => {
        if (this.#isStopping) stream.end(stopping());
        else this.#streams.add(stream);
      },
      onEnd: (stream) => this.#streams.delete(stream),
    };
  }

  /** Answers the calls of agents; others go on to their handlers. */
  get interceptor(): ServerInterceptor {
    return (method, call) => {
      if (method.path !== CONNECT) return call as ServerInterceptingCall;
      return new ServerInterceptingCall(call, { start: () => call.start(new AgentStream(call, this.#tools)) });
    };
  }

  /** What the server must have been given for `interceptor` to be asked. */
  get handlers() {
    return {
      // biome-ignore lint/correctness/useYield: it is never called.
      async *connect(): AsyncGenerator<never> {
        throw new ServerError(Status.INTERNAL, 'the interceptor answers this call');
      },
    };
  }

  /** Ends all streams, so that the agents go on at another controller. */
  stop(): void {
    this.#isStopping = true;
    for (const stream of this.#streams) stream.end(stopping());
  }
}

function stopping(): ApiError {
  return new ApiError('UNAVAILABLE', 'the controller is stopping: connect to another');
}
