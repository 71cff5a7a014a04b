import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryName } from '../../proto/rules/names.ts';
import { parseSelector, type Selector } from '../../proto/rules/selector.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { parseEntryJson, readEntry } from './entry-json.ts';
import { notFound, requireEntryName } from './entry-writes.ts';
import type { RolloutView } from './rollout-view.ts';
import { type Former, formerOf } from './write-transaction.ts';

/** An entry in the view, its selector parsed. */
export interface KnownEntry {
  entry: Entry;
  selector: Selector;
  /** As etcd has it. */
  stored: StoredKey;
  /** The id of its last rollout. */
  rollout: string | undefined;
}

export interface EntryChange {
  name: string;
  kind: 'created' | 'updated' | 'deleted';
  /** As it is now; when deleted, as it was. */
  entry: Entry;
  revision: bigint;
}

/** The view of all entries, which answers reads: they are in etcd as protobuf-JSON below `entries/`. */
export class EntryStore {
  readonly #mirror: EtcdMirror;
  readonly #prefix: string;
  readonly #logger: Logger;
  readonly #known = new Map<string, KnownEntry>();
  readonly #listeners = new Set<(change: EntryChange) => void>();

  constructor(mirror: EtcdMirror, prefix: string, logger: Logger) {
    this.#mirror = mirror;
    this.#prefix = `${prefix}entries/`;
    this.#logger = logger;
    mirror.onChange(({ key, value, revision }) => {
      if (key.startsWith(this.#prefix)) this.#take(key, value, revision);
    });
  }

  /** The revision that the view is at. */
  get revision(): bigint {
    return this.#mirror.revision;
  }

  /** Resolves when the view is at `revision`; rejects with UNAVAILABLE when that takes too long. */
  reaches(revision: bigint): Promise<void> {
    return this.#mirror.reaches(revision);
  }

  /** Every entry, in the order of the names. Throws UNAVAILABLE as long as etcd has never answered. */
  all(): KnownEntry[] {
    this.requireView();
    return [...this.#known.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
  }

  find(name: string): KnownEntry | undefined {
    return this.#known.get(name);
  }

  /** Throws INVALID_ARGUMENT for what is no entry's name, NOT_FOUND, UNAVAILABLE. */
  get(name: string): Entry {
    requireEntryName(name);
    this.requireView();
    const known = this.#known.get(name);
    if (!known) throw notFound(name);
    return known.entry;
  }

  /** Calls `listener` after the view has changed; returns what ends that. */
  onChange(listener: (change: EntryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An entry as far as the view knows it: it may have been written since. undefined: it does not know what a writer needs. */
  former(name: string, rollouts: RolloutView): Former | undefined {
    const known = this.#known.get(name);
    return known && formerOf(name, known.stored, rollouts.get(known.rollout), known.entry);
  }

  #take(key: string, value: string | undefined, revision: bigint): void {
    const name = entryName(key.slice(this.#prefix.length));
    const former = this.#known.get(name);
    try {
      if (value === undefined) {
        this.#known.delete(name);
        if (former) this.#tell({ name, kind: 'deleted', entry: former.entry, revision });
        return;
      }
      const stored = { key, value, revision };
      const json = parseEntryJson(stored);
      const entry = { ...readEntry(stored, json), name };
      const { rollout } = json;
      this.#known.set(name, { entry, selector: parseSelector(entry.selector), stored, rollout });
      this.#tell({ name, kind: former ? 'updated' : 'created', entry, revision });
    } catch (error) {
      // Somebody wrote to etcd past us: the entry stays as it was, and an operator must mend the key.
      this.#logger.error('a key in etcd is not an entry; it is ignored', { key, error: errorText(error) });
    }
  }

  #tell(change: EntryChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  /** Throws UNAVAILABLE as long as etcd has never answered. */
  requireView(): void {
    if (this.#mirror.revision === 0n)
      throw new ApiError('UNAVAILABLE', 'the controller has not reached etcd yet: try again');
  }
}
