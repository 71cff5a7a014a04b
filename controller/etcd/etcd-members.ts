import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { type IPolicy, noop } from 'cockatiel';
import { GRPCDeadlineExceededError, GRPCUnavailableError } from 'etcd3';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';

const PROBE_INTERVAL_MS = 500;

/**
 * Which members of an etcd are asked. etcd3 asks any of them in turn, dead ones too. Here a member that gave no answer is left alone until
 * it answers a probe, unless all are so: nothing is kept from trying etcd. A request that never left is made again at another member; one
 * that may have been carried out is not.
 */
export class EtcdMembers {
  readonly #silent = new Set<string>();
  readonly #endpoints: readonly string[];
  readonly #probe: (endpoint: string) => Promise<void>;
  readonly #clock: Clock;
  #closed = false;

  /** `probe` resolves when the member answers, and the majority by it. */
  constructor(endpoints: readonly string[], probe: (endpoint: string) => Promise<void>, clock: Clock) {
    this.#endpoints = endpoints;
    this.#probe = probe;
    this.#clock = clock;
  }

  /** For etcd3: by its policies it asks who is to be called, and tells how that went. */
  get faultHandling(): { host: (endpoint: string) => IPolicy; global: IPolicy } {
    return {
      host: (endpoint) => policy((call) => this.#ask(endpoint, call)),
      global: policy((call) => this.#inTurn(call)),
    };
  }

  close(): void {
    this.#closed = true;
  }

  async #ask<T>(endpoint: string, call: () => T | PromiseLike<T>): Promise<T> {
    // Not called through, etcd3 goes on to the next member.
    if (this.#silent.has(endpoint) && this.#silent.size < this.#endpoints.length)
      throw new Error(`${endpoint} gave no answer`);
    try {
      return await call();
    } catch (error) {
      if (this.#endpoints.length > 1 && gaveNoAnswer(error)) this.#leaveAlone(endpoint);
      throw error;
    }
  }

  async #inTurn<T>(call: () => T | PromiseLike<T>): Promise<T> {
    for (let others = this.#endpoints.length - 1; ; others--) {
      try {
        return await call();
      } catch (error) {
        if (others === 0 || !neverLeft(error)) throw error;
      }
    }
  }

  #leaveAlone(endpoint: string): void {
    if (this.#silent.has(endpoint)) return;
    this.#silent.add(endpoint);
    void this.#untilItAnswers(endpoint);
  }

  async #untilItAnswers(endpoint: string): Promise<void> {
    while (!this.#closed) {
      await this.#clock.sleep(PROBE_INTERVAL_MS);
      try {
        if (!this.#closed) await this.#probe(endpoint);
        break;
      } catch {
        // It still gives none; what that costs is told by whoever asks for something.
      }
    }
    this.#silent.delete(endpoint);
  }
}

function gaveNoAnswer(error: unknown): boolean {
  return error instanceof GRPCUnavailableError || error instanceof GRPCDeadlineExceededError;
}

/** grpc-js's words for a call that no connection was found for. */
function neverLeft(error: unknown): boolean {
  return /No connection established|Waiting for LB pick|Name resolution failed/.test(errorText(error));
}

function policy(execute: <T>(call: () => T | PromiseLike<T>) => Promise<T>): IPolicy {
  const { onSuccess, onFailure } = noop;
  return {
    _altReturn: undefined as never,
    onSuccess,
    onFailure,
    execute: (call) => execute(() => call({ signal: NEVER })),
  };
}

const NEVER = new AbortController().signal;

/**
 * A member that is cut off from the others ends its watches then, instead of telling nothing for as long as that lasts (etcd's
 * `clientv3.WithRequireLeader`). Other calls wait through an election.
 */
export const requireLeader: Interceptor = (options, next) =>
  new InterceptingCall(next(options), {
    start: (metadata, listener, start) => {
      // It may be one that all calls share.
      const own = metadata.clone();
      if (options.method_definition.path === '/etcdserverpb.Watch/Watch') own.set('hasleader', 'true');
      start(own, listener);
    },
  });
