import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryId } from '../../proto/rules/names.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey, Transaction } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import type { Author } from './author.ts';
import { foundVersion } from './entry-history.ts';
import { type EntryJson, parseEntryJson, readEntry, toEntryJson, toVersionJson, versionOf } from './entry-json.ts';
import type { PlannedWrite } from './entry-writes.ts';
import { encodeRollout, isActive, type KnownRollout, parseRollout } from './rollout-record.ts';

/** An entry before a write. */
export interface Former {
  name: string;
  /** undefined: there is none. */
  entry: Entry | undefined;
  json: EntryJson;
  /** The revision of the entry's key, or else of the key that tells of its deletion; 0n: there is neither. */
  revision: bigint;
  /** How many versions the name has had. */
  version: bigint;
  /** The revision of the last of them, or of what was written past the controllers; 0n: there is none. */
  lastRevision: bigint;
  /** The entry's last rollout, where there is one. */
  rollout: KnownRollout | undefined;
  /** An entry that is not as its last version says, for somebody wrote it past the controllers. */
  stray: StoredKey | undefined;
}

interface Step {
  plan: PlannedWrite;
  former: Former;
  /** Why it is written. */
  reason: string;
}

/** The entry in a key, taken to be as its last version says; undefined when it does not say which that is. `known`: it has been read. */
export function formerOf(
  name: string,
  stored: StoredKey,
  rollout: KnownRollout | undefined,
  known?: Entry,
): Former | undefined {
  const json = parseEntryJson(stored);
  const version = versionOf(json);
  if (version === 0n) return undefined;
  const entry = known ?? { ...readEntry(stored, json), name };
  const { revision } = stored;
  return { name, entry, json, revision, version, lastRevision: revision, rollout, stray: undefined };
}

/** What etcd has of these names now. */
export async function readFormers(client: EtcdClient, keys: Keyspace, names: readonly string[]): Promise<Former[]> {
  const ids = names.map((name) => entryId(name) ?? '');
  const entries = await client.getMany(ids.map((id) => keys.entry(id)));
  const deletions = await client.getMany(ids.map((id) => keys.deleted(id)));
  const jsons = entries.map((stored) => (stored ? parseEntryJson(stored) : {}));
  const rollouts = await readRollouts(client, keys, jsons);
  const versions = await client.lastInEach(ids.map((id) => keys.versions(id)));
  return names.map((name, index) => {
    const [stored, last, rollout] = [entries[index], versions[index], rollouts[index]];
    const lastVersion = last ? keys.parseVersion(last.key).version : 0n;
    if (!stored) return absentFormer(name, deletions[index], { version: lastVersion, revision: last?.revision ?? 0n });
    const own = formerOf(name, stored, rollout);
    const isOwn = last?.revision === stored.revision && own?.version === lastVersion;
    return own && isOwn ? own : { ...strayFormer(name, stored, lastVersion), rollout };
  });
}

/** The last rollout of each entry that has had one. */
async function readRollouts(
  client: EtcdClient,
  keys: Keyspace,
  jsons: readonly EntryJson[],
): Promise<(KnownRollout | undefined)[]> {
  const ids = [...new Set(jsons.flatMap(({ rollout }) => rollout ?? []))];
  const found = new Map<string, KnownRollout>();
  for (const stored of await client.getMany(ids.map((id) => keys.rollout(id)))) {
    if (!stored) continue;
    const rollout = parseRollout(stored.value);
    found.set(rollout.id, { rollout, revision: stored.revision, created: stored.created });
  }
  return jsons.map(({ rollout }) => found.get(rollout ?? ''));
}

/** An entry that was deleted past the controllers has a history all the same, and its name counts on. */
function absentFormer(
  name: string,
  deletion: StoredKey | undefined,
  last: { version: bigint; revision: bigint },
): Former {
  const version = deletion ? versionOf(parseEntryJson(deletion)) : last.version;
  const [revision, lastRevision] = [deletion?.revision ?? 0n, deletion?.revision ?? last.revision];
  return { name, entry: undefined, json: {}, revision, version, lastRevision, rollout: undefined, stray: undefined };
}

function strayFormer(name: string, stored: StoredKey, lastVersion: bigint): Former {
  const json = parseEntryJson(stored);
  const entry = { ...readEntry(stored, json), name };
  const { revision } = stored;
  const version = lastVersion || versionOf(json);
  return { name, entry, json, revision, version, lastRevision: revision, rollout: undefined, stray: stored };
}

/** The transaction that makes all of the writes; and what is to be deleted afterwards, where it is no part of it. */
export function transactionOf(
  steps: readonly Step[],
  by: Author,
  context: { now: Date; keys: Keyspace; versions: number },
): { transaction: Transaction; trims: Transaction['deletes'] } {
  const parts = steps.map((step) => partOf(step, by, context));
  const trims = parts.flatMap(({ trim }) => trim ?? []);
  // Of many writes the old versions are trimmed by themselves: the count of operations is limited.
  const isOne = steps.length === 1;
  const transaction = {
    when: parts.flatMap(({ when }) => when),
    puts: parts.flatMap(({ puts }) => puts),
    deletes: [...parts.flatMap(({ deletes }) => deletes), ...(isOne ? trims : [])],
  };
  return { transaction, trims: isOne ? [] : trims };
}

interface Part {
  when: { key: string; revision: bigint }[];
  puts: { key: string; value: string }[];
  deletes: string[];
  trim: Transaction['deletes'][number] | undefined;
}

function partOf(
  { plan, former, reason }: Step,
  by: Author,
  { now, keys, versions }: { now: Date; keys: Keyspace; versions: number },
): Part {
  const id = entryId(former.name) ?? '';
  const part: Part = { when: [], puts: [], deletes: [], trim: undefined };
  const present = former.entry !== undefined;
  part.when.push({ key: keys.entry(id), revision: present ? former.revision : 0n });
  if (!present) part.when.push({ key: keys.deleted(id), revision: former.revision });
  let last = former.version;
  if (former.stray) {
    part.puts.push({ key: keys.version(id, ++last), value: strayJson(former, former.stray) });
    part.when.push({ key: keys.version(id, last), revision: 0n });
  } else if (present) part.when.push({ key: keys.version(id, last), revision: former.revision });
  const version = last + 1n;
  const isDeleted = plan.change === 'CHANGE_DELETED';
  const rollout = plan.rollout?.begun?.id ?? former.json.rollout;
  const json = isDeleted ? former.json : toEntryJson(plan.entry, { version, rollout }, plan.json ?? former.json);
  const facts = {
    change: plan.change,
    author: by.name,
    authorAuthenticated: by.authenticated,
    changeReason: reason,
    time: now,
    formerRevision: former.lastRevision,
    rolledBackTo: plan.rolledBackTo ?? 0n,
  };
  part.puts.push({ key: keys.version(id, version), value: toVersionJson(facts, json) });
  if (isDeleted) {
    part.deletes.push(keys.entry(id));
    part.puts.push({ key: keys.deleted(id), value: JSON.stringify({ version: String(version) }) });
  } else {
    part.puts.push({ key: keys.entry(id), value: JSON.stringify(json, undefined, 2) });
    if (former.stray || (!present && former.revision > 0n)) part.deletes.push(keys.deleted(id));
  }
  addRollout(part, { plan, former }, version, keys);
  if (version > BigInt(versions)) part.trim = keys.versionsBefore(id, version - BigInt(versions) + 1n);
  return part;
}

/** What becomes of the entry's last rollout, and of one that begins. */
function addRollout(part: Part, { plan, former }: Omit<Step, 'reason'>, version: bigint, keys: Keyspace): void {
  const { begun, changed } = plan.rollout ?? {};
  part.when.push(...(plan.when ?? []));
  const id = former.json.rollout;
  if (id !== undefined) {
    // A plan was made knowing where it stood: an undo deletes what was new, unless somebody has just paused it.
    const isDeleted = plan.change === 'CHANGE_DELETED';
    const isKnown = former.rollout && (changed || ((begun || isDeleted) && isActive(former.rollout.rollout)));
    if (former.rollout && isKnown) part.when.push({ key: keys.rollout(id), revision: former.rollout.revision });
    if (begun || isDeleted) part.deletes.push(keys.rollout(id));
    else if (changed) part.puts.push({ key: keys.rollout(id), value: encodeRollout(changed) });
  }
  if (begun) part.puts.push({ key: keys.rollout(begun.id), value: encodeRollout({ ...begun, entryVersion: version }) });
}

/** Of an entry that was written past us: what is there is kept, before it is written over. */
function strayJson({ name }: Former, stored: StoredKey): string {
  const { version, json } = foundVersion(stored, name, undefined);
  const { name: _name, version: _version, entry: _entry, revision, ...facts } = version;
  return toVersionJson(facts, json, revision);
}
