import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryId } from '../../proto/rules/names.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { type EntryJson, parseEntryJson, readEntry, versionNumber } from './entry-json.ts';
import { type KnownRollout, parseRollout } from './rollout-record.ts';

/** What a change of an entry is based on: the state of its name before the change. */
export interface ChangeBase {
  name: string;
  /** Undefined when the entry does not exist. */
  entry: Entry | undefined;
  json: EntryJson;
  /** The revision of the entry's key, or of its deletion mark; 0n when neither exists. */
  revision: bigint;
  /** How many versions the name has had. */
  version: bigint;
  /**
   * The revision of the last version, or of the entry where it has no version; 0n when there is
   * none.
   */
  lastRevision: bigint;
  /** The entry's last rollout. */
  rollout: KnownRollout | undefined;
  /** An entry that was written behind the controllers' back and has no version of its own. */
  unrecorded: StoredKey | undefined;
}

/**
 * The base in a stored entry, on the assumption that its last version matches it. Undefined when
 * the entry has no version number. `known`: the entry, where it has been read already.
 */
export function storedBase(
  name: string,
  stored: StoredKey,
  rollout: KnownRollout | undefined,
  known?: Entry,
): ChangeBase | undefined {
  const json = parseEntryJson(stored);
  const version = versionNumber(json);
  if (version === 0n) return undefined;
  const entry = known ?? { ...readEntry(stored, json), name };
  const { revision } = stored;
  return { name, entry, json, revision, version, lastRevision: revision, rollout, unrecorded: undefined };
}

/** Reads the bases of these names from etcd. */
export async function readChangeBases(
  client: EtcdClient,
  keys: Keyspace,
  names: readonly string[],
): Promise<ChangeBase[]> {
  const ids = names.map((name) => entryId(name) ?? '');
  const entries = await client.getMany(ids.map((id) => keys.entries.key(id)));
  const deletions = await client.getMany(ids.map((id) => keys.deletions.key(id)));
  const jsons = entries.map((stored) => (stored ? parseEntryJson(stored) : {}));
  const rollouts = await readRollouts(client, keys, jsons);
  const versions = await client.getLastKeys(ids.map((id) => keys.versions(id)));
  return names.map((name, index) => {
    const [stored, last, rollout] = [entries[index], versions[index], rollouts[index]];
    const lastVersion = last ? keys.parseVersion(last.key).version : 0n;
    if (!stored) return absentBase(name, deletions[index], { version: lastVersion, revision: last?.revision ?? 0n });
    const base = storedBase(name, stored, rollout);
    const isRecorded = last?.revision === stored.revision && base?.version === lastVersion;
    return base && isRecorded ? base : { ...unrecordedBase(name, stored, lastVersion), rollout };
  });
}

/** The last rollout of each entry; undefined for entries without one. */
async function readRollouts(
  client: EtcdClient,
  keys: Keyspace,
  jsons: readonly EntryJson[],
): Promise<(KnownRollout | undefined)[]> {
  const ids = [...new Set(jsons.flatMap(({ rollout }) => rollout ?? []))];
  const found = new Map<string, KnownRollout>();
  for (const stored of await client.getMany(ids.map((id) => keys.rollouts.key(id)))) {
    if (!stored) continue;
    const rollout = parseRollout(stored.value);
    found.set(rollout.id, { rollout, revision: stored.revision, createRevision: stored.createRevision });
  }
  return jsons.map(({ rollout }) => found.get(rollout ?? ''));
}

/** If an entry was deleted behind the controllers' back, its version numbers continue. */
function absentBase(
  name: string,
  deletion: StoredKey | undefined,
  last: { version: bigint; revision: bigint },
): ChangeBase {
  const version = deletion ? versionNumber(parseEntryJson(deletion)) : last.version;
  const [revision, lastRevision] = [deletion?.revision ?? 0n, deletion?.revision ?? last.revision];
  const none = { entry: undefined, json: {}, rollout: undefined, unrecorded: undefined };
  return { name, revision, version, lastRevision, ...none };
}

function unrecordedBase(name: string, stored: StoredKey, lastVersion: bigint): ChangeBase {
  const json = parseEntryJson(stored);
  const entry = { ...readEntry(stored, json), name };
  const { revision } = stored;
  const version = lastVersion || versionNumber(json);
  return { name, entry, json, revision, version, lastRevision: revision, rollout: undefined, unrecorded: stored };
}
