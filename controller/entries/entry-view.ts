import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryName } from '../../proto/rules/names.ts';
import { parseSelector, type Selector } from '../../proto/rules/selector.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import type { KeyFamily } from '../etcd/keyspace.ts';
import { entryNotFound, requireEntryName } from './entry-errors.ts';
import { parseEntryJson, readEntry } from './entry-json.ts';

/** An entry in the view, its selector parsed. */
export interface KnownEntry {
  entry: Entry;
  selector: Selector;
  stored: StoredKey;
  /** The id of its last rollout. */
  rollout: string | undefined;
}

export interface EntryEvent {
  name: string;
  kind: 'created' | 'updated' | 'deleted';
  /** The entry after the change; when it was deleted, the entry before. */
  entry: Entry;
  revision: bigint;
}

/** All entries, kept in memory for reads. etcd has them as protobuf-JSON (`entries/ENTRY`). */
export class EntryView {
  readonly #mirror: EtcdMirror;
  readonly #logger: Logger;
  readonly #known = new Map<string, KnownEntry>();
  readonly #listeners = new Set<(event: EntryEvent) => void>();

  constructor(mirror: EtcdMirror, keys: KeyFamily, logger: Logger) {
    this.#mirror = mirror;
    this.#logger = logger;
    mirror.onChange(({ key, value, revision }) => {
      const id = keys.parseId(key);
      if (id !== undefined) this.#handleChange(entryName(id), { key, value, revision });
    });
  }

  /** The revision of the view; 0n before the first list. */
  get revision(): bigint {
    return this.#mirror.revision;
  }

  /** See EtcdMirror.isFollowing. */
  get isFollowing(): boolean {
    return this.#mirror.isFollowing;
  }

  /**
   * Resolves when the view has every change up to `revision`. Rejects with UNAVAILABLE after 5 s.
   */
  waitForRevision(revision: bigint): Promise<void> {
    return this.#mirror.waitForRevision(revision);
  }

  /** Throws UNAVAILABLE until etcd has responded once. */
  requireList(): void {
    this.#mirror.requireList();
  }

  /** Every entry, sorted by name. Throws UNAVAILABLE until etcd has responded once. */
  all(): KnownEntry[] {
    this.#mirror.requireList();
    return [...this.#known.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
  }

  find(name: string): KnownEntry | undefined {
    return this.#known.get(name);
  }

  /**
   * Throws INVALID_ARGUMENT for an invalid name, NOT_FOUND, and UNAVAILABLE until etcd has
   * responded once.
   */
  get(name: string): Entry {
    requireEntryName(name);
    this.#mirror.requireList();
    const known = this.#known.get(name);
    if (!known) throw entryNotFound(name);
    return known.entry;
  }

  /** Calls `listener` after each change. Returns a function that removes the listener. */
  onChange(listener: (event: EntryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #handleChange(
    name: string,
    { key, value, revision }: Omit<StoredKey, 'value'> & { value: string | undefined },
  ): void {
    const previous = this.#known.get(name);
    try {
      if (value === undefined) {
        this.#known.delete(name);
        if (previous) this.#emit({ name, kind: 'deleted', entry: previous.entry, revision });
        return;
      }
      const stored = { key, value, revision };
      const json = parseEntryJson(stored);
      const entry = { ...readEntry(stored, json), name };
      const { rollout } = json;
      this.#known.set(name, { entry, selector: parseSelector(entry.selector), stored, rollout });
      this.#emit({ name, kind: previous ? 'updated' : 'created', entry, revision });
    } catch (error) {
      // It was written behind the controllers' back. The previous entry stays in force.
      this.#logger.error('etcd key ignored: it is not an entry', { key, error: errorText(error) });
    }
  }

  #emit(event: EntryEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
