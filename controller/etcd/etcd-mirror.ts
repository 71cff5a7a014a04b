import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdClient } from './etcd-client.ts';
import type { KeyChange, KeyRange } from './etcd-keys.ts';
import { StoreError } from './store-error.ts';

const RETRY = { initialMs: 100, maxMs: 3_000 };
/** A watch that has told nothing for this long, though something was written, hangs. */
const SILENCE_MAX_MS = 2_000;

/** Told of every key that changed, in order. */
export type MirrorListener = (change: KeyChange) => void;

/**
 * Follows all keys below a prefix by a watch, but those that have a `~` behind it, and tells its listeners, who keep what the keys mean. A watch that breaks (compaction, an
 * etcd that lost its data) is made good by listing again and telling the difference, so that a listener misses nothing but states that
 * were overwritten meanwhile. What listeners keep can be read while etcd is away.
 */
export class EtcdMirror {
  readonly #client: EtcdClient;
  readonly #range: KeyRange;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** The revision of each key's last write. */
  readonly #keys = new Map<string, bigint>();
  readonly #listeners: MirrorListener[] = [];
  readonly #settled: (() => void)[] = [];
  readonly #waiting = new Set<{ revision: bigint; resolve: () => void }>();
  #revision = 0n;
  #heardMs = 0;
  #giveUpWatch: (error: Error) => void = () => {};

  constructor(client: EtcdClient, prefix: string, tools: { clock: Clock; logger: Logger }) {
    this.#client = client;
    // What is kept for later, the history, is no view's: it would fill the memory.
    this.#range = { start: prefix, end: `${prefix}~` };
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** The revision up to which listeners were told; 0 before the first list. */
  get revision(): bigint {
    return this.#revision;
  }

  /** Calls `listener` for each change. */
  onChange(listener: MirrorListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Calls `listener` when changes have been told and all keys are as they were at one revision: in between, of the writes of one
   * transaction some may have been told and others not. A list is of one revision, and etcd never splits one over several answers of a
   * watch (https://etcd.io/docs/v3.5/learning/api_guarantees/, "Atomic").
   */
  onSettled(listener: () => void): void {
    this.#settled.push(listener);
  }

  /** Resolves when listeners were told up to `revision`, so that whoever wrote reads what it wrote; rejects with UNAVAILABLE after `timeoutMs`. */
  async reaches(revision: bigint, timeoutMs = 5_000): Promise<void> {
    if (this.#revision >= revision) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { revision, resolve };
    this.#waiting.add(waiter);
    // The member that it hangs at may be slow, or cut off: listing again goes to another.
    const cancelCheck = this.#clock.after(SILENCE_MAX_MS, () => {
      if (this.#clock.monotonicMs() - this.#heardMs >= SILENCE_MAX_MS)
        this.#giveUpWatch(new Error('a write was made that the watch does not tell of'));
    });
    const cancel = this.#clock.after(timeoutMs, () => {
      const text = 'the write was made, but etcd has not told of it yet';
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

  /** Follows until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(RETRY);
    while (!signal.aborted) {
      try {
        await this.#list();
        backoff.reset();
        await this.#follow(signal);
      } catch (error) {
        if (isAbort(error, signal)) return;
        this.#logger.warn('the view of etcd is behind; listing again', { error: errorText(error) });
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
  }

  async #list(): Promise<void> {
    const { revision, keys } = await this.#client.list(this.#range);
    const present = new Set(keys.map(({ key }) => key));
    for (const key of [...this.#keys.keys()]) {
      if (!present.has(key)) this.#take({ key, value: undefined, revision, created: 0n });
    }
    for (const stored of keys) {
      if (this.#keys.get(stored.key) !== stored.revision) this.#take(stored);
    }
    this.#advance(revision);
  }

  #follow(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#giveUpWatch = reject;
    const end = this.#client.watch(this.#range, this.#revision + 1n, {
      onChanges: (changes) => {
        this.#heardMs = this.#clock.monotonicMs();
        for (const change of changes) this.#take(change);
        this.#advance(changes.at(-1)?.revision ?? this.#revision);
      },
      onBroken: reject,
    });
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      signal.removeEventListener('abort', onAbort);
      end();
    });
  }

  #take(change: KeyChange): void {
    if (change.value === undefined) this.#keys.delete(change.key);
    else this.#keys.set(change.key, change.revision);
    for (const listener of this.#listeners) listener(change);
  }

  #advance(revision: bigint): void {
    this.#revision = revision;
    for (const listener of this.#settled) listener();
    for (const waiter of this.#waiting) if (waiter.revision <= revision) waiter.resolve();
  }
}
