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
  /** The key that the elected candidate holds. The mirror must follow it. */
  key: string;
  /** The candidate, shown in the key for operators. */
  candidate: string;
  /** A successor is elected this long after the last renewal by the elected candidate. */
  ttlMs: number;
}

/** The time from one election to the next. */
export interface Term {
  key: string;
  /**
   * The fencing token: the revision at which the key was created. It grows with each term.
   * `writeFenced` compares it, so a candidate that has been replaced without noticing changes
   * nothing.
   */
  revision: bigint;
  /**
   * Aborted when the term is over: before etcd lets a successor win, if clocks run at equal speed.
   */
  signal: AbortSignal;
}

const RETRY = { initialMs: 200, maxMs: 3_000 };

/** Elects one of several controllers for a task that must have one owner. */
export class Election {
  readonly #client: EtcdClient;
  readonly #options: ElectionOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** How many deletions of the key have been seen. */
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

  /**
   * Campaigns again and again until `signal` is aborted, and runs `work` for each term won. `work`
   * must end soon after its term.
   */
  async run(signal: AbortSignal, work: (term: Term) => Promise<void>): Promise<void> {
    const backoff = createBackoff(RETRY);
    while (!signal.aborted) {
      try {
        await this.#campaign(signal, work);
        backoff.reset();
      } catch (error) {
        if (isAbort(error, signal)) return;
        this.#logger.warn('campaign failed, retrying', { key: this.#options.key, error: errorText(error) });
      }
      await this.#clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }

  async #campaign(signal: AbortSignal, work: (term: Term) => Promise<void>): Promise<void> {
    const grantedMs = this.#clock.monotonicMs();
    const lease = await this.#client.grantLease(Math.round(this.#options.ttlMs / 1000));
    const ended = new AbortController();
    const end = () => ended.abort(new DOMException('the term is over', 'AbortError'));
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const renewal = this.#keepLease(lease, grantedMs, ended.signal, end);
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
      await renewal;
      await lease.revoke().catch((error: unknown) => {
        this.#logger.warn('lease not revoked, the next election waits until it expires', { error: errorText(error) });
      });
    }
  }

  /**
   * Resolves with the revision of the key once this candidate holds it. Rejects when `signal` is
   * aborted.
   */
  async #win(lease: EtcdLease, signal: AbortSignal): Promise<bigint> {
    const { key, candidate } = this.#options;
    const value = JSON.stringify({ candidate, campaign: randomUUID() });
    for (;;) {
      const before = this.#vacancies;
      const outcome = await this.#client.create(key, value, lease.id);
      signal.throwIfAborted();
      if (!('present' in outcome)) return outcome.revision;
      await this.#waitForVacancy(before, signal);
    }
  }

  /** Resolves when more than `before` deletions of the key have been seen. */
  async #waitForVacancy(before: number, signal: AbortSignal): Promise<void> {
    if (this.#vacancies !== before) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    this.#onVacancy = resolve;
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await promise.finally(() => signal.removeEventListener('abort', abort));
  }

  /**
   * Renews the lease until `signal` is aborted. Calls `end` when it may have expired, also while a
   * renewal hangs.
   */
  async #keepLease(lease: EtcdLease, grantedMs: number, signal: AbortSignal, end: () => void): Promise<void> {
    const { ttlMs } = this.#options;
    let renewedMs = grantedMs;
    let isRenewing = false;
    const renew = async () => {
      const sentMs = this.#clock.monotonicMs();
      isRenewing = true;
      try {
        await lease.keepAlive();
        renewedMs = sentMs;
      } catch (error) {
        this.#logger.warn('election lease not renewed', { error: errorText(error) });
        if (error instanceof StoreError && error.code === 'REFUSED') end();
      } finally {
        isRenewing = false;
      }
    };
    for (;;) {
      await this.#clock.sleep(ttlMs / 8, signal).catch(() => {});
      if (signal.aborted) return;
      const ageMs = this.#clock.monotonicMs() - renewedMs;
      if (ageMs > (ttlMs * 3) / 4) return end();
      if (ageMs > ttlMs / 4 && !isRenewing) void renew();
    }
  }
}

/**
 * Writes keys in one transaction, and deletes those without a value, if `term` is not over and the
 * other `conditions` hold. Returns the revision; undefined when the term is over or a condition
 * failed. The key of a term is written only once, so its revision identifies the term.
 */
export function writeFenced(
  client: EtcdClient,
  { key, revision }: Pick<Term, 'key' | 'revision'>,
  writes: readonly { key: string; value?: string }[],
  conditions: Transaction['conditions'] = [],
): Promise<bigint | undefined> {
  const puts = writes.flatMap(({ key: at, value }) => (value === undefined ? [] : [{ key: at, value }]));
  const deletes = writes.flatMap(({ key: at, value }) => (value === undefined ? [at] : []));
  return client.transact({ conditions: [{ key, revision }, ...conditions], puts, deletes });
}
