import assert from 'node:assert/strict';
import { entryId } from '../../proto/rules/names.ts';
import type { StoredKey, Transaction } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import type { Author } from './author.ts';
import type { ChangeBase } from './change-base.ts';
import type { PlannedChange } from './entry-changes.ts';
import { foundVersion } from './entry-history.ts';
import { type EntryJson, toEntryJson, toVersionJson } from './entry-json.ts';
import { encodeRollout, isActive } from './rollout-record.ts';

/** One change of a commit. */
export interface CommitStep {
  plan: PlannedChange;
  base: ChangeBase;
  reason: string;
  namedFields: readonly string[];
}

interface CommitContext {
  now: Date;
  keys: Keyspace;
  /** How many versions of an entry are kept. */
  versions: number;
}

/**
 * The transaction that makes all of the changes. `trims`: old versions to delete after it, where
 * they are not part of it. `written`: for each step, the entry that it writes, if it writes one.
 */
export function buildTransaction(
  steps: readonly CommitStep[],
  author: Author,
  context: CommitContext,
): { transaction: Transaction; trims: Transaction['deletes']; written: (EntryJson | undefined)[] } {
  const writes = steps.map((step) => buildWrites(step, author, context));
  const trims = writes.flatMap(({ trim }) => trim ?? []);
  // etcd limits the operations of a transaction: several changes trim old versions afterwards.
  const isSingle = steps.length === 1;
  const transaction = {
    conditions: writes.flatMap(({ conditions }) => conditions),
    puts: writes.flatMap(({ puts }) => puts),
    deletes: [...writes.flatMap(({ deletes }) => deletes), ...(isSingle ? trims : [])],
  };
  return { transaction, trims: isSingle ? [] : trims, written: writes.map(({ written }) => written) };
}

/** One change's share of the transaction. */
interface ChangeWrites {
  conditions: { key: string; revision: bigint }[];
  puts: { key: string; value: string }[];
  deletes: string[];
  trim: Transaction['deletes'][number] | undefined;
  written: EntryJson | undefined;
}

function buildWrites(
  { plan, base, reason, namedFields }: CommitStep,
  author: Author,
  context: CommitContext,
): ChangeWrites {
  const { now, keys, versions } = context;
  const id = entryId(base.name) ?? '';
  const writes: ChangeWrites = { conditions: [], puts: [], deletes: [], trim: undefined, written: undefined };
  const exists = base.entry !== undefined;
  writes.conditions.push({ key: keys.entries.key(id), revision: exists ? base.revision : 0n });
  if (plan.change === 'CHANGE_UNSPECIFIED') return writes;
  if (!exists) writes.conditions.push({ key: keys.deletions.key(id), revision: base.revision });
  let last = base.version;
  if (base.unrecorded) {
    writes.puts.push({ key: keys.version(id, ++last), value: unrecordedVersionJson(base, base.unrecorded) });
    writes.conditions.push({ key: keys.version(id, last), revision: 0n });
  } else if (exists) writes.conditions.push({ key: keys.version(id, last), revision: base.revision });
  const version = last + 1n;
  assert(version > base.version, `the versions of ${base.name} must grow`);
  const isDeleted = plan.change === 'CHANGE_DELETED';
  const rollout = plan.rollout?.begun?.id ?? base.json.rollout;
  const json = isDeleted ? base.json : toEntryJson(plan.entry, { version, rollout }, plan.json ?? base.json);
  const facts = {
    change: plan.change,
    author: author.name,
    authorAuthenticated: author.authenticated,
    changeReason: reason,
    time: now,
    formerRevision: base.lastRevision,
    rolledBackTo: plan.rolledBackTo ?? 0n,
    namedFields: plan.change === 'CHANGE_UPDATED' ? [...namedFields] : [],
  };
  writes.puts.push({ key: keys.version(id, version), value: toVersionJson(facts, json) });
  if (isDeleted) {
    writes.deletes.push(keys.entries.key(id));
    writes.puts.push({ key: keys.deletions.key(id), value: JSON.stringify({ version: String(version) }) });
  } else {
    writes.puts.push({ key: keys.entries.key(id), value: JSON.stringify(json, undefined, 2) });
    writes.written = json;
    if (base.unrecorded || (!exists && base.revision > 0n)) writes.deletes.push(keys.deletions.key(id));
  }
  addRollout(writes, { plan, base }, version, keys);
  if (version > BigInt(versions)) writes.trim = keys.versionsBefore(id, version - BigInt(versions) + 1n);
  return writes;
}

/** Adds what becomes of the entry's last rollout, and a rollout that begins. */
function addRollout(
  writes: ChangeWrites,
  { plan, base }: Pick<CommitStep, 'plan' | 'base'>,
  version: bigint,
  keys: Keyspace,
): void {
  const { begun, changed } = plan.rollout ?? {};
  writes.conditions.push(...(plan.conditions ?? []));
  const id = base.json.rollout;
  if (id !== undefined) {
    // The plan depends on the rollout's state. An undo, for example, deletes an entry that the
    // rollout created, but not if an operator has just paused the rollout.
    const isDeleted = plan.change === 'CHANGE_DELETED';
    const isRelevant = base.rollout && (changed || ((begun || isDeleted) && isActive(base.rollout.rollout)));
    if (base.rollout && isRelevant)
      writes.conditions.push({ key: keys.rollouts.key(id), revision: base.rollout.revision });
    if (begun || isDeleted) writes.deletes.push(keys.rollouts.key(id));
    else if (changed) writes.puts.push({ key: keys.rollouts.key(id), value: encodeRollout(changed) });
  }
  if (begun) {
    const value = encodeRollout({ ...begun, entryVersion: version });
    writes.puts.push({ key: keys.rollouts.key(begun.id), value });
  }
}

/** Records an entry that was written behind the controllers' back, before it is overwritten. */
function unrecordedVersionJson({ name }: ChangeBase, stored: StoredKey): string {
  const { version, json } = foundVersion(stored, name, undefined);
  const { name: _name, version: _version, entry: _entry, revision, ...facts } = version;
  return toVersionJson(facts, json, revision);
}
