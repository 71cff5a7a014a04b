import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import type { Keyspace } from '../etcd/keyspace.ts';

/**
 * Marks an etcd that has had an entry (`fleet`). Without the mark and without an entry, etcd is
 * new, was emptied, or `etcd.prefix` is wrong. That is not the same as a fleet whose entries were
 * all deleted: agents that collect entries must not stop because of it.
 */
export class FleetMarker {
  readonly #client: EtcdClient;
  readonly #key: string;
  readonly #logger: Logger;
  readonly #entryKeys = new Set<string>();
  readonly #listeners: (() => void)[] = [];
  #isMarked = false;
  #isMarking = false;
  #wasBlank = true;

  constructor({ client, mirror, keys }: { client: EtcdClient; mirror: EtcdMirror; keys: Keyspace }, logger: Logger) {
    this.#client = client;
    this.#key = keys.fleet;
    this.#logger = logger;
    mirror.onChange(({ key, value }) => {
      if (key === keys.fleet) this.#isMarked = value !== undefined;
      else if (keys.entries.parseId(key) === undefined) return;
      else if (value === undefined) this.#entryKeys.delete(key);
      else this.#entryKeys.add(key);
    });
    mirror.onConsistent(() => this.#handleConsistent());
  }

  /** Whether this etcd has no entries and never had any. True before the first list. */
  get isBlank(): boolean {
    return !this.#isMarked && this.#entryKeys.size === 0;
  }

  /** Calls `listener` when `isBlank` has changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #handleConsistent(): void {
    if (!this.#isMarked && this.#entryKeys.size > 0) void this.#mark();
    if (this.isBlank === this.#wasBlank) return;
    this.#wasBlank = this.isBlank;
    for (const listener of this.#listeners) listener();
  }

  /** Every controller tries: etcd creates the key once. A failure is retried at the next change. */
  async #mark(): Promise<void> {
    if (this.#isMarking) return;
    this.#isMarking = true;
    try {
      await this.#client.create(this.#key, '{}');
    } catch (error) {
      this.#logger.warn('fleet not marked', { key: this.#key, error: errorText(error) });
    } finally {
      this.#isMarking = false;
    }
  }
}
