import { randomUUID } from 'node:crypto';
import { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import { entryFields } from '../proto/rules/entry-document.ts';
import { ENTRY_BYTES_MAX, entryBytes, entryViolations, withEntryDefaults } from '../proto/rules/entry-rules.ts';
import type { FieldViolation } from '../proto/rules/field-violation.ts';
import { entryId, entryName } from '../proto/rules/names.ts';
import { parseSelector, type Selector } from '../proto/rules/selector.ts';
import type { Clock } from '../runtime/clock.ts';
import { errorText } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { ApiError, invalidArgument } from './api-error.ts';
import type { EtcdClient, StoredKey } from './etcd-client.ts';
import type { EtcdMirror } from './etcd-mirror.ts';

/** An entry in the view, its selector parsed. */
export interface KnownEntry {
  entry: Entry;
  selector: Selector;
}

export interface EntryChange {
  name: string;
  kind: 'created' | 'updated' | 'deleted';
  /** As it is now; when deleted, as it was. */
  entry: Entry;
  revision: bigint;
}

/** An entry as somebody wants it, and what is wrong with how it was asked for. */
export interface EntryDraft {
  entry: Entry;
  violations: readonly FieldViolation[];
}

/** A write that lost a race is tried again with what is there now, this often. */
const ATTEMPTS_MAX = 5;

/**
 * The entries: in etcd as protobuf-JSON below `entries/`, each written in a transaction on its revision; and a view of all of them, which
 * answers reads. A writer gets its answer when the view has the write.
 */
export class EntryStore {
  readonly #client: EtcdClient;
  readonly #mirror: EtcdMirror;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #known = new Map<string, KnownEntry>();
  readonly #listeners = new Set<(change: EntryChange) => void>();

  constructor(client: EtcdClient, mirror: EtcdMirror, prefix: string, tools: { clock: Clock; logger: Logger }) {
    this.#client = client;
    this.#mirror = mirror;
    this.#prefix = `${prefix}entries/`;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
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
    this.#requireView();
    return [...this.#known.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
  }

  find(name: string): KnownEntry | undefined {
    return this.#known.get(name);
  }

  /** Throws INVALID_ARGUMENT for what is no entry's name, NOT_FOUND, UNAVAILABLE. */
  get(name: string): Entry {
    requireEntryName(name);
    this.#requireView();
    const known = this.#known.get(name);
    if (!known) throw notFound(name);
    return known.entry;
  }

  /** Calls `listener` after the view has changed; returns what ends that. */
  onChange(listener: (change: EntryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Creates an entry. `also`: what is wrong with the request besides. */
  async create(asked: Entry, also: readonly FieldViolation[] = []): Promise<Entry> {
    const now = new Date(this.#clock.nowMs());
    const entry = checked({ ...asked, uid: randomUUID(), createTime: now, updateTime: now }, also);
    const outcome = await this.#client.create(this.#key(entry.name), encode(entry));
    if ('present' in outcome) {
      throw new ApiError('ALREADY_EXISTS', `${entry.name} exists already: update it, or choose another name`);
    }
    return this.#written(entry, outcome.revision);
  }

  /** Writes what `change` makes of the entry as it is. A non-empty `etag` must be its present one. */
  async update(name: string, etag: string, change: (entry: Entry) => EntryDraft): Promise<Entry> {
    if (!entryId(name)) {
      // There is nothing to change: this names what else is wrong.
      const { entry, violations } = change({ ...Entry.create(), paths: ['/any'], topic: 'any' });
      checked({ ...entry, name }, violations);
    }
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await this.#current(name, etag);
      const former = decode(stored);
      const updateTime = new Date(this.#clock.nowMs());
      const { uid, createTime } = former;
      const draft = change(former);
      const entry = checked({ ...draft.entry, name, uid, createTime, updateTime }, draft.violations);
      const revision = await this.#client.replace(stored.key, encode(entry, stored.value), stored.revision);
      if (revision !== undefined) return this.#written(entry, revision);
    }
    throw new ApiError('ABORTED', `${name} is being changed by others all the time: try again`);
  }

  async delete(name: string, etag: string): Promise<void> {
    requireEntryName(name);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await this.#current(name, etag);
      const revision = await this.#client.remove(stored.key, stored.revision);
      if (revision === undefined) continue;
      await this.#mirror.reaches(revision);
      return;
    }
    throw new ApiError('ABORTED', `${name} is being changed by others all the time: try again`);
  }

  /** The entry as etcd has it now, which must have `etag` when one is given. */
  async #current(name: string, etag: string): Promise<StoredKey> {
    const stored = await this.#client.get(this.#key(name));
    if (!stored) throw notFound(name);
    if (etag !== '' && etag !== String(stored.revision)) {
      throw new ApiError(
        'ABORTED',
        `${name} has changed since: its etag is ${stored.revision}, not ${etag}; get it again`,
      );
    }
    return stored;
  }

  async #written(entry: Entry, revision: bigint): Promise<Entry> {
    await this.#mirror.reaches(revision);
    return { ...entry, etag: String(revision) };
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
      const entry = { ...decode({ key, value, revision }), name };
      this.#known.set(name, { entry, selector: parseSelector(entry.selector) });
      this.#tell({ name, kind: former ? 'updated' : 'created', entry, revision });
    } catch (error) {
      // Somebody wrote to etcd past us: the entry stays as it was, and an operator must mend the key.
      this.#logger.error('a key in etcd is not an entry; it is ignored', { key, error: errorText(error) });
    }
  }

  #tell(change: EntryChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  #key(name: string): string {
    return this.#prefix + (entryId(name) ?? '');
  }

  #requireView(): void {
    if (this.#mirror.revision === 0n)
      throw new ApiError('UNAVAILABLE', 'the controller has not reached etcd yet: try again');
  }
}

/** Throws INVALID_ARGUMENT for what is no entry's name. */
export function requireEntryName(name: string): void {
  if (!entryId(name))
    throw invalidArgument([
      { field: 'name', description: `${JSON.stringify(name)} is not an entry's name: entries/ID` },
    ]);
}

function notFound(name: string): ApiError {
  return new ApiError('NOT_FOUND', `there is no ${name}`);
}

/** The entry with its defaults, or the reasons why it can't be one; `also` are violations that are known already. */
function checked(asked: Entry, also: readonly FieldViolation[]): Entry {
  const bytes = entryBytes(asked);
  if (bytes > ENTRY_BYTES_MAX) {
    throw new ApiError(
      'RESOURCE_EXHAUSTED',
      `the entry has ${bytes} bytes: at most ${ENTRY_BYTES_MAX}; use globs instead of lists`,
    );
  }
  const violations = [...also, ...entryViolations(asked)];
  if (violations.length > 0) throw invalidArgument(violations);
  return withEntryDefaults(asked);
}

/**
 * The key's value: the entry but for what etcd and the controller know themselves; and what a newer controller wrote into `former` that
 * this one does not know, so that it outlives a rolling upgrade.
 */
function encode(entry: Entry, former = '{}'): string {
  const { etag: _etag, topicStatus: _status, ...kept } = entry;
  const unknown = Object.entries(JSON.parse(former) as object).filter(([field]) => !entryFields.includes(field));
  return JSON.stringify({ ...Object(Entry.toJSON(Entry.create(kept))), ...Object.fromEntries(unknown) }, undefined, 2);
}

function decode({ key, value, revision }: StoredKey): Entry {
  const json: unknown = JSON.parse(value);
  if (typeof json !== 'object' || json === null) throw new Error(`${key} holds no JSON object`);
  return { ...Entry.fromJSON(json), etag: String(revision) };
}
