import { randomUUID } from 'node:crypto';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdClient, EtcdLease } from './etcd-client.ts';
import type { Transaction } from './etcd-keys.ts';
import type { EtcdMirror } from './etcd-mirror.ts';
import { StoreError } from './store-error.ts';

export interface ElectionOptions {
  /** The key that whoever is elected holds. The mirror must follow it. */
  key: string;
  /** Who campaigns, for whoever reads the key. */
  candidate: string;
  /** Another is elected this long after the elected one was last heard of. */
  ttlMs: number;
}

/** One time of being elected. */
export interface Term {
  key: string;
  /**
   * The fencing token: the revision at which the key was created, higher with each term. Writes go by `fenced` with it, so that
   * one who was elected, and does not know yet that another is now, changes nothing.
   */
  revision: bigint;
  /** Aborted when the term is over: before etcd lets anybody else win, as far as clocks run alike. */
  signal: AbortSignal;
}

const RETRY = { initialMs: 200, maxMs: 3_000 };

/** Lets one of several controllers do what must have one owner. */
export class Election {
  readonly #client: EtcdClient;
  readonly #options: ElectionOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** How often the key was seen to go: whoever waits looks again. */
  #vacancies = 0;
  #onVacancy: () => void = () => {};

  constructor(
    client: EtcdClient,
    mirror: EtcdMirror,
    options: ElectionOptions,
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#options = options;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    mirror.onChange(({ key, value }) => {
      if (key !== options.key || value !== undefined) return;
      this.#vacancies++;
      this.#onVacancy();
    });
  }

  /** Campaigns, does `work` for the term when elected, and so on until `signal` is aborted. `work` must end soon after its term. */
  async run(signal: AbortSignal, work: (term: Term) => Promise<void>): Promise<void> {
    const backoff = createBackoff(RETRY);
    while (!signal.aborted) {
      try {
        await this.#campaign(signal, work);
        backoff.reset();
      } catch (error) {
        if (isAbort(error, signal)) return;
        this.#logger.warn('an election is to be held again', { key: this.#options.key, error: errorText(error) });
      }
      await this.#clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }

  async #campaign(signal: AbortSignal, work: (term: Term) => Promise<void>): Promise<void> {
    const heldMs = this.#clock.monotonicMs();
    const lease = await this.#client.grantLease(Math.round(this.#options.ttlMs / 1000));
    const ended = new AbortController();
    const end = () => ended.abort(new DOMException('the term is over', 'AbortError'));
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const keeping = this.#keep(lease, heldMs, ended.signal, end);
    try {
      const { key } = this.#options;
      const revision = await this.#win(lease, ended.signal);
      this.#logger.info('elected', { key, revision: String(revision) });
      await work({ key, revision, signal: ended.signal });
    } catch (error) {
      if (!isAbort(error, ended.signal)) throw error;
    } finally {
      end();
      signal.removeEventListener('abort', end);
      await keeping;
      await lease.revoke().catch((error: unknown) => {
        this.#logger.warn('an elected one is missed only when its lease runs out', { error: errorText(error) });
      });
    }
  }

  /** The revision of the key, once it is this one's; rejects when `signal` is aborted. */
  async #win(lease: EtcdLease, signal: AbortSignal): Promise<bigint> {
    const { key, candidate } = this.#options;
    const value = JSON.stringify({ candidate, campaign: randomUUID() });
    for (;;) {
      const before = this.#vacancies;
      const outcome = await this.#client.create(key, value, lease.id);
      signal.throwIfAborted();
      if (!('present' in outcome)) return outcome.revision;
      await this.#vacant(before, signal);
    }
  }

  /** Resolves when the key has gone since it was seen to have gone `before` times. */
  async #vacant(before: number, signal: AbortSignal): Promise<void> {
    if (this.#vacancies !== before) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    this.#onVacancy = resolve;
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await promise.finally(() => signal.removeEventListener('abort', abort));
  }

  /** Keeps the lease until `signal` is aborted; calls `end` when it may be gone. A call that hangs does not put that off. */
  async #keep(lease: EtcdLease, grantedMs: number, signal: AbortSignal, end: () => void): Promise<void> {
    const { ttlMs } = this.#options;
    let heldMs = grantedMs;
    let asking = false;
    const ask = async () => {
      const askedMs = this.#clock.monotonicMs();
      asking = true;
      try {
        await lease.keepAlive();
        heldMs = askedMs;
      } catch (error) {
        this.#logger.warn('the lease of an election is at risk', { error: errorText(error) });
        if (error instanceof StoreError && error.code === 'REFUSED') end();
      } finally {
        asking = false;
      }
    };
    for (;;) {
      await this.#clock.sleep(ttlMs / 8, signal).catch(() => {});
      if (signal.aborted) return;
      const unheardMs = this.#clock.monotonicMs() - heldMs;
      if (unheardMs > (ttlMs * 3) / 4) return end();
      if (unheardMs > ttlMs / 4 && !asking) void ask();
    }
  }
}

/**
 * Writes keys, and deletes those without a value, in one transaction, if `term` still is, and other keys have the revisions of `also`. Returns
 * the revision; undefined when somebody else has been elected, or nobody is: the key of a term is written once.
 */
export function fenced(
  client: EtcdClient,
  { key, revision }: Pick<Term, 'key' | 'revision'>,
  writes: readonly { key: string; value?: string }[],
  also: Transaction['when'] = [],
): Promise<bigint | undefined> {
  const puts = writes.flatMap(({ key: at, value }) => (value === undefined ? [] : [{ key: at, value }]));
  const deletes = writes.flatMap(({ key: at, value }) => (value === undefined ? [at] : []));
  return client.transact({ when: [{ key, revision }, ...also], puts, deletes });
}
