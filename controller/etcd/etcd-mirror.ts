import { makeEtag } from '../../proto/rules/etag.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdClient } from './etcd-client.ts';
import type { KeyChange, KeyRange } from './etcd-keys.ts';
import { StoreError } from './store-error.ts';

const RETRY = { initialMs: 100, maxMs: 3_000 };
/** A watch that has been silent for this long although a key was written is considered hung. */
const SILENCE_MAX_MS = 2_000;

/** Called for every key that changed, in the order of the revisions. */
export type MirrorListener = (change: KeyChange) => void;

/**
 * Follows the keys of a range by list and watch, and passes every change to its listeners, which
 * keep the parsed values. When a watch breaks (after a compaction, or when etcd was restored from a
 * backup), the mirror lists again and reports the differences. A listener misses only values that
 * were overwritten in between. The values that listeners keep can be read while etcd is
 * unreachable.
 */
export class EtcdMirror {
  readonly #client: EtcdClient;
  readonly #range: KeyRange;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** The etag of each key's last write. */
  readonly #keys = new Map<string, string>();
  readonly #listeners: MirrorListener[] = [];
  readonly #consistentListeners: (() => void)[] = [];
  readonly #waiting = new Set<{ revision: bigint; resolve: () => void }>();
  #revision = 0n;
  #isFollowing = false;
  #lastEventMs = 0;
  #abandonWatch: (error: Error) => void = () => {};

  constructor(client: EtcdClient, range: KeyRange, tools: { clock: Clock; logger: Logger }) {
    this.#client = client;
    this.#range = range;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** The revision up to which listeners have every change; 0n before the first list. */
  get revision(): bigint {
    return this.#revision;
  }

  /**
   * Whether a watch reports changes. Otherwise etcd may be unreachable, or may have been restored
   * from a backup: its keys are unknown until the next list.
   */
  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** Throws UNAVAILABLE before the first list. */
  requireList(): void {
    if (this.#revision > 0n) return;
    throw new StoreError('UNAVAILABLE', 'the controller has not reached etcd yet: try again', { retryable: true });
  }

  onChange(listener: MirrorListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Calls `listener` whenever the reported keys are those of one revision. Between two such calls,
   * some writes of a transaction may have been reported and others not. A list is of one revision,
   * and etcd never splits a revision over several watch responses
   * (https://etcd.io/docs/v3.5/learning/api_guarantees/, "Atomic").
   */
  onConsistent(listener: () => void): void {
    this.#consistentListeners.push(listener);
  }

  /**
   * Resolves when listeners have every change up to `revision`, so a writer can read what it wrote.
   * Rejects with UNAVAILABLE after `timeoutMs`.
   */
  async waitForRevision(revision: bigint, timeoutMs = 5_000): Promise<void> {
    if (this.#isFollowing && this.#revision >= revision) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { revision, resolve };
    this.#waiting.add(waiter);
    // The watched member may be slow or cut off. Listing again goes to another one.
    const cancelCheck = this.#clock.after(SILENCE_MAX_MS, () => {
      if (this.#clock.monotonicMs() - this.#lastEventMs >= SILENCE_MAX_MS)
        this.#abandonWatch(new Error('the watch does not report a write'));
    });
    const cancel = this.#clock.after(timeoutMs, () => {
      const text = `revision ${revision} was written, but etcd has not reported it to this controller yet: read it later, and do not write it again`;
      reject(new StoreError('UNAVAILABLE', text, { retryable: true }));
    });
    try {
      await promise;
    } finally {
      this.#waiting.delete(waiter);
      cancelCheck();
      cancel();
    }
  }

  /** Follows the range until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(RETRY);
    while (!signal.aborted) {
      try {
        await this.#list();
        backoff.reset();
        await this.#follow(signal);
      } catch (error) {
        this.#isFollowing = false;
        if (isAbort(error, signal)) return;
        this.#logger.warn('etcd watch lost, listing again', { error: errorText(error) });
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
  }

  async #list(): Promise<void> {
    const { revision, keys } = await this.#client.list(this.#range);
    if (revision < this.#revision) {
      const fields = { revision: String(revision), previous: String(this.#revision) };
      this.#logger.warn('etcd was restored from a backup: later writes are undone', fields);
    }
    const present = new Set(keys.map(({ key }) => key));
    for (const key of [...this.#keys.keys()]) {
      if (!present.has(key)) this.#handleChange({ key, value: undefined, revision, createRevision: 0n });
    }
    for (const stored of keys) {
      if (this.#keys.get(stored.key) !== makeEtag(stored.revision, stored.value)) this.#handleChange(stored);
    }
    this.#isFollowing = true;
    this.#advance(revision);
  }

  #follow(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#abandonWatch = reject;
    const endWatch = this.#client.watch(this.#range, this.#revision + 1n, {
      onChanges: (changes) => {
        this.#lastEventMs = this.#clock.monotonicMs();
        const revision = changes.at(-1)?.revision ?? this.#revision;
        // etcd guarantees growing revisions. A violation means that changes were lost: list again.
        if (revision < this.#revision) {
          reject(new Error(`the watch went back from revision ${this.#revision} to ${revision}`));
          return;
        }
        for (const change of changes) this.#handleChange(change);
        this.#advance(revision);
      },
      onBroken: reject,
    });
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      signal.removeEventListener('abort', onAbort);
      endWatch();
    });
  }

  #handleChange(change: KeyChange): void {
    const { key, value, revision } = change;
    if (value === undefined) this.#keys.delete(key);
    else this.#keys.set(key, makeEtag(revision, value));
    for (const listener of this.#listeners) listener(change);
  }

  #advance(revision: bigint): void {
    this.#revision = revision;
    for (const listener of this.#consistentListeners) listener();
    for (const waiter of this.#waiting) if (waiter.revision <= revision) waiter.resolve();
  }
}
