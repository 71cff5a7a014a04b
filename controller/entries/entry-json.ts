import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryFields } from '../../proto/rules/entry-document.ts';
import { entryName } from '../../proto/rules/names.ts';
import { errorText } from '../../runtime/errors.ts';
import { ApiError } from '../errors/api-error.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';

/** An entry as etcd has it: protobuf-JSON, how often the name was written, and what newer controllers know of it. */
export interface EntryJson {
  version?: string;
  /** The id of its last rollout, which is about this version or about a former one. */
  rollout?: string;
  [field: string]: unknown;
}

const KNOWN: ReadonlySet<string> = new Set([...entryFields, 'rollout']);

/**
 * An entry's JSON: all of it but for what etcd and the controller know themselves; and what a newer controller wrote into `former` that this
 * one does not know, so that it outlives a rolling upgrade.
 */
export function toEntryJson(
  entry: Entry,
  { version, rollout }: { version: bigint; rollout: string | undefined },
  former: EntryJson = {},
): EntryJson {
  const { etag: _etag, topicStatus: _status, ...kept } = entry;
  const unknown = Object.entries(former).filter(([field]) => !KNOWN.has(field));
  const known: object = Object(Entry.toJSON(Entry.create(kept)));
  return {
    ...known,
    ...Object.fromEntries(unknown),
    version: String(version),
    ...(rollout !== undefined && { rollout }),
  };
}

/** Throws FAILED_PRECONDITION for what is no JSON object. */
export function parseEntryJson({ key, value }: StoredKey): EntryJson {
  return understood(key, () => {
    const json: unknown = JSON.parse(value);
    if (typeof json !== 'object' || json === null) throw new Error('it holds no JSON object');
    return json as EntryJson;
  });
}

/** The entry in a key, whose JSON is `json`. Throws FAILED_PRECONDITION for what is none. */
export function readEntry(stored: StoredKey, json: EntryJson): Entry {
  return understood(stored.key, () => ({ ...Entry.fromJSON(json), etag: String(stored.revision) }));
}

/** Which version of its name an entry is; 0 when it was not written by a controller that counts. */
export function versionOf({ version = '' }: EntryJson): bigint {
  return /^\d{1,15}$/.test(version) ? BigInt(version) : 0n;
}

/** What is told of a version beside the entry. */
export type VersionFacts = Omit<EntryVersion, 'name' | 'version' | 'revision' | 'entry'>;

/** The value of a version's key. `revision` is given where it is not that of the transaction. */
export function toVersionJson(facts: VersionFacts, entry: EntryJson, revision = 0n): string {
  const told: object = Object(EntryVersion.toJSON(EntryVersion.create({ ...facts, revision })));
  return JSON.stringify({ ...told, entry });
}

/** The version in a key. Throws FAILED_PRECONDITION for what is none. */
export function readVersion(stored: StoredKey, { id, version }: { id: string; version: bigint }): EntryVersion {
  const json = parseEntryJson(stored);
  const read = understood(stored.key, () => EntryVersion.fromJSON(json));
  const revision = read.revision || stored.revision;
  const entry = { ...(read.entry ?? Entry.create()), name: entryName(id), etag: String(revision) };
  return { ...read, name: entryName(id), version, revision, entry };
}

/** The JSON of the entry in a version's key. */
export function entryJsonOf(stored: StoredKey): EntryJson {
  return (parseEntryJson(stored) as { entry?: EntryJson }).entry ?? {};
}

/** Somebody wrote to etcd past the controllers: only they can tell what it should be. */
function understood<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const remedy = `mend it, or delete it (etcdctl del '${key}')`;
    throw new ApiError('FAILED_PRECONDITION', `the key ${key} in etcd makes no sense, ${errorText(error)}: ${remedy}`);
  }
}
