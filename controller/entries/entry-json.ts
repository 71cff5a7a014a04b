import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryFields } from '../../proto/rules/entry-document.ts';
import { makeEtag } from '../../proto/rules/etag.ts';
import { entryName } from '../../proto/rules/names.ts';
import { errorText } from '../../runtime/errors.ts';
import { ApiError } from '../errors/api-error.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';

/** An entry as etcd has it: protobuf-JSON, and fields that only newer controllers know. */
export interface EntryJson {
  /** How many versions the name has had, this one included. */
  version?: string;
  /** The id of the entry's last rollout, which is about this version or a previous one. */
  rollout?: string;
  [field: string]: unknown;
}

const KNOWN_FIELDS: ReadonlySet<string> = new Set([...entryFields, 'rollout']);

/**
 * The JSON of an entry, without the fields that etcd and the controller derive. Unknown fields of
 * `previous`, written by a newer controller, are kept: they survive a rolling upgrade.
 */
export function toEntryJson(
  entry: Entry,
  { version, rollout }: { version: bigint; rollout: string | undefined },
  previous: EntryJson = {},
): EntryJson {
  const { etag: _etag, topicStatus: _status, ...kept } = entry;
  const unknown = Object.entries(previous).filter(([field]) => !KNOWN_FIELDS.has(field));
  const known: object = Object(Entry.toJSON(Entry.create(kept)));
  return {
    ...known,
    ...Object.fromEntries(unknown),
    version: String(version),
    ...(rollout !== undefined && { rollout }),
  };
}

/** Throws FAILED_PRECONDITION unless the value is a JSON object. */
export function parseEntryJson({ key, value }: StoredKey): EntryJson {
  return parseKey(key, () => {
    const json: unknown = JSON.parse(value);
    if (typeof json !== 'object' || json === null) throw new Error('the value is not a JSON object');
    return json as EntryJson;
  });
}

/** The entry in a key, whose JSON is `json`. Throws FAILED_PRECONDITION when it is not an entry. */
export function readEntry(stored: StoredKey, json: EntryJson): Entry {
  return parseKey(stored.key, () => ({ ...Entry.fromJSON(json), etag: entryEtag(stored.revision, json) }));
}

/**
 * The etag of an entry that was written at `revision`. The stored text can't be hashed instead: the
 * entry's key has it indented and the version's key does not, and both must have the same etag.
 */
export function entryEtag(revision: bigint, json: EntryJson): string {
  return makeEtag(revision, JSON.stringify(json));
}

/** The number of an entry's version; 0n when no controller that counts versions wrote it. */
export function versionNumber({ version = '' }: EntryJson): bigint {
  return /^\d{1,15}$/.test(version) ? BigInt(version) : 0n;
}

/** What a version records in addition to the entry. */
export type VersionFacts = Omit<EntryVersion, 'name' | 'version' | 'revision' | 'entry'>;

/** The value of a version's key. Give `revision` when it differs from that of the transaction. */
export function toVersionJson(facts: VersionFacts, entry: EntryJson, revision = 0n): string {
  const json: object = Object(EntryVersion.toJSON(EntryVersion.create({ ...facts, revision })));
  return JSON.stringify({ ...json, entry });
}

/** The version in a key. Throws FAILED_PRECONDITION when it is not a version. */
export function readVersion(stored: StoredKey, { id, version }: { id: string; version: bigint }): EntryVersion {
  const json = parseEntryJson(stored);
  const read = parseKey(stored.key, () => EntryVersion.fromJSON(json));
  const revision = read.revision || stored.revision;
  const etag = entryEtag(revision, readVersionEntryJson(stored));
  const entry = { ...(read.entry ?? Entry.create()), name: entryName(id), etag };
  return { ...read, name: entryName(id), version, revision, entry };
}

/** The JSON of the entry in a version's key. */
export function readVersionEntryJson(stored: StoredKey): EntryJson {
  return (parseEntryJson(stored) as { entry?: EntryJson }).entry ?? {};
}

/** An invalid value was written behind the controllers' back: only its author can correct it. */
function parseKey<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const remedy = `correct it, or delete it (etcdctl del '${key}')`;
    throw new ApiError(
      'FAILED_PRECONDITION',
      `the value of etcd key ${key} is invalid, ${errorText(error)}: ${remedy}`,
    );
  }
}
