import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryId, entryName } from '../../proto/rules/names.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { type EntryJson, entryJsonOf, parseEntryJson, readEntry, readVersion, versionOf } from './entry-json.ts';

/** A version, and the entry's JSON in it. */
export interface KeptVersion {
  version: EntryVersion;
  json: EntryJson;
}

/** What is kept of entries that were. */
export class EntryHistory {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;

  constructor(client: EtcdClient, keys: Keyspace) {
    this.#client = client;
    this.#keys = keys;
  }

  /** All versions of an entry that are kept, the oldest first; none when there is no history of that name. */
  async of(name: string): Promise<KeptVersion[]> {
    const id = entryId(name) ?? '';
    // The entry first: what is written meanwhile can only be in the history, too.
    const [stored] = await this.#client.getMany([this.#keys.entry(id)]);
    const { keys } = await this.#client.list(this.#keys.versions(id));
    const kept = keys.map((key) => ({
      version: readVersion(key, this.#keys.parseVersion(key.key)),
      json: entryJsonOf(key),
    }));
    const last = kept.at(-1);
    if (!stored || (last && last.version.revision >= stored.revision)) return kept;
    return [...kept, foundVersion(stored, entryName(id), last?.version)];
  }
}

/** An entry that nobody has kept a version of: it was written past the controllers, or by one of a former version. */
export function foundVersion(stored: StoredKey, name: string, last: EntryVersion | undefined): KeptVersion {
  const json = parseEntryJson(stored);
  const entry = { ...readEntry(stored, json), name };
  const version: EntryVersion = {
    name,
    version: (last?.version ?? versionOf(json)) + 1n,
    revision: stored.revision,
    change: 'CHANGE_FOUND',
    entry,
    author: '',
    authorAuthenticated: false,
    changeReason: '',
    time: entry.updateTime,
    formerRevision: last?.revision ?? 0n,
    rolledBackTo: 0n,
  };
  return { version, json };
}
