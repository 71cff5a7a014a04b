import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryId, entryName } from '../../proto/rules/names.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import {
  type EntryJson,
  parseEntryJson,
  readEntry,
  readVersion,
  readVersionEntryJson,
  versionNumber,
} from './entry-json.ts';

/** A version, and the JSON of its entry. */
export interface StoredVersion {
  version: EntryVersion;
  json: EntryJson;
}

/** Reads the versions of entries. */
export class EntryHistory {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;

  constructor(client: EtcdClient, keys: Keyspace) {
    this.#client = client;
    this.#keys = keys;
  }

  /** The stored versions of an entry, oldest first; empty when the name has no history. */
  async listVersions(name: string): Promise<StoredVersion[]> {
    const id = entryId(name) ?? '';
    // The entry is read first: a version that is written in between is in the list as well.
    const [stored] = await this.#client.getMany([this.#keys.entries.key(id)]);
    const { keys } = await this.#client.list(this.#keys.versions(id));
    const versions = keys.map((key) => ({
      version: readVersion(key, this.#keys.parseVersion(key.key)),
      json: readVersionEntryJson(key),
    }));
    const last = versions.at(-1);
    if (!stored || (last && last.version.revision >= stored.revision)) return versions;
    return [...versions, foundVersion(stored, entryName(id), last?.version)];
  }
}

/**
 * The version of an entry that has no key of its own. It was written behind the controllers' back,
 * or by a release that kept no versions.
 */
export function foundVersion(stored: StoredKey, name: string, last: EntryVersion | undefined): StoredVersion {
  const json = parseEntryJson(stored);
  const entry = { ...readEntry(stored, json), name };
  const version: EntryVersion = {
    name,
    version: (last?.version ?? versionNumber(json)) + 1n,
    revision: stored.revision,
    change: 'CHANGE_FOUND',
    entry,
    author: '',
    authorAuthenticated: false,
    changeReason: '',
    time: entry.updateTime,
    formerRevision: last?.revision ?? 0n,
    rolledBackTo: 0n,
    namedFields: [],
  };
  return { version, json };
}
