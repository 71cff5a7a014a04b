import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { type IPolicy, noop } from 'cockatiel';
import { GRPCDeadlineExceededError, GRPCUnavailableError } from 'etcd3';
import type { Clock } from '../../runtime/clock.ts';
import { wasNeverSent } from './etcd-errors.ts';

const PROBE_INTERVAL_MS = 500;
/** A call that has waited longer for a connection is not made again: its caller waits, too. */
const RETRY_WITHIN_MS = 2_500;

/**
 * Chooses the members of an etcd cluster that get requests. etcd3 sends to each in turn, dead ones
 * included. Here a member that does not respond gets no requests until it responds to a probe. When
 * no member responds, all of them get requests: etcd is always tried. A request that soon turns out
 * to be unsent is retried at another member. A request that may have been carried out is not.
 */
export class EtcdMembers {
  readonly #unresponsive = new Set<string>();
  readonly #endpoints: readonly string[];
  readonly #probe: (endpoint: string) => Promise<void>;
  readonly #clock: Clock;
  #closed = false;

  /** `probe` resolves when the member responds and has a quorum. */
  constructor(endpoints: readonly string[], probe: (endpoint: string) => Promise<void>, clock: Clock) {
    this.#endpoints = endpoints;
    this.#probe = probe;
    this.#clock = clock;
  }

  /** The policies by which etcd3 calls its hosts. */
  get faultHandling(): { host: (endpoint: string) => IPolicy; global: IPolicy } {
    return {
      host: (endpoint) => policy((call) => this.#callMember(endpoint, call)),
      global: policy((call) => this.#callAnyMember(call)),
    };
  }

  close(): void {
    this.#closed = true;
  }

  async #callMember<T>(endpoint: string, call: () => T | PromiseLike<T>): Promise<T> {
    // When the policy throws without calling, etcd3 tries the next member.
    if (this.#unresponsive.has(endpoint) && this.#unresponsive.size < this.#endpoints.length)
      throw new Error(`${endpoint} does not respond`);
    try {
      return await call();
    } catch (error) {
      if (this.#endpoints.length > 1 && isUnresponsive(error)) this.#suspend(endpoint);
      throw error;
    }
  }

  async #callAnyMember<T>(call: () => T | PromiseLike<T>): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    for (let retries = this.#endpoints.length - 1; ; retries--) {
      try {
        return await call();
      } catch (error) {
        const isLate = this.#clock.monotonicMs() - startMs > RETRY_WITHIN_MS;
        if (retries === 0 || isLate || !wasNeverSent(error)) throw error;
      }
    }
  }

  #suspend(endpoint: string): void {
    if (this.#unresponsive.has(endpoint)) return;
    this.#unresponsive.add(endpoint);
    void this.#probeUntilResponsive(endpoint);
  }

  async #probeUntilResponsive(endpoint: string): Promise<void> {
    while (!this.#closed) {
      await this.#clock.sleep(PROBE_INTERVAL_MS);
      try {
        if (!this.#closed) await this.#probe(endpoint);
        break;
      } catch {
        // Still unresponsive. Callers report their own failures.
      }
    }
    this.#unresponsive.delete(endpoint);
  }
}

function isUnresponsive(error: unknown): boolean {
  return error instanceof GRPCUnavailableError || error instanceof GRPCDeadlineExceededError;
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
 * Makes a member that is cut off from the others end its watches. Otherwise they would stay silent
 * for as long as that lasts. This is etcd's `clientv3.WithRequireLeader`. Other calls wait for the
 * election of a leader.
 */
export const requireLeader: Interceptor = (options, next) =>
  new InterceptingCall(next(options), {
    start: (metadata, listener, start) => {
      // All calls may share one metadata object.
      const own = metadata.clone();
      if (options.method_definition.path === '/etcdserverpb.Watch/Watch') own.set('hasleader', 'true');
      start(own, listener);
    },
  });
