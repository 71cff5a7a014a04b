import { randomUUID } from 'node:crypto';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryVersion, EntryVersion_Change } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { Rollout } from '../../proto/gen/logfleet/v1/rollout.ts';
import { ENTRY_BYTES_MAX, entryBytes, entryViolations, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { entryId } from '../../proto/rules/names.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';
import type { EntryHistory } from './entry-history.ts';
import type { EntryJson } from './entry-json.ts';
import type { KnownRollout } from './rollout-record.ts';

/** An entry as somebody wants it, and what is wrong with how it was asked for. */
export interface EntryDraft {
  entry: Entry;
  violations: readonly FieldViolation[];
}

/** What is to become of an entry. */
export interface PlannedWrite {
  change: EntryVersion_Change;
  /** As it is to be; when it is to be deleted, as it is. */
  entry: Entry;
  /** Has what newer controllers know of it; absent: the entry that there is. */
  json?: EntryJson;
  rolledBackTo?: bigint;
  /** The rollout that begins with this write, or what becomes of the entry's last one. */
  rollout?: { begun: Rollout; changed?: never } | { begun?: never; changed: Rollout };
  /** What must be so in etcd besides. */
  when?: Transaction['when'];
}

/** One write of an entry, which can be planned again when it has lost a race. */
export interface EntryWrite {
  name: string;
  /** Why. */
  reason: string;
  /**
   * Makes of the entry as it is, undefined when there is none, what it is to be. `rollout`: the one that is about this version of it.
   * Rejects with ApiError when that can't be.
   */
  plan(former: Entry | undefined, now: Date, rollout?: KnownRollout): PlannedWrite | Promise<PlannedWrite>;
  /** What the caller calls a field of the entry, or of the request. */
  fieldOf(field: string): string;
}

/** What is asked of any write, beside what is to be written. */
export interface WriteTerms {
  reason: string;
  fieldOf(field: string): string;
}

const REASON_CHARACTERS_MAX = 1_024;

/** Creates an entry. `also`: what is wrong with the request besides. */
export function createWrite(asked: Entry, also: readonly FieldViolation[], terms: WriteTerms): EntryWrite {
  return {
    name: asked.name,
    ...terms,
    plan(former, now) {
      const entry = checked({ ...asked, uid: randomUUID(), createTime: now, updateTime: now }, also);
      if (former) {
        const remedy = 'update it, or choose another name';
        throw new ApiError('ALREADY_EXISTS', `${entry.name} exists already: ${remedy}`);
      }
      return { change: 'CHANGE_CREATED', entry };
    },
  };
}

/**
 * Writes what `change` makes of the entry as it is. A non-empty `etag` must be its present one. `orCreate` is what to create when there is
 * none.
 */
export function updateWrite(
  asked: {
    name: string;
    etag: string;
    change: (former: Entry) => EntryDraft;
    orCreate?: (() => EntryDraft) | undefined;
  },
  terms: WriteTerms,
): EntryWrite {
  const { name, etag, change, orCreate } = asked;
  return {
    name,
    ...terms,
    plan(former, now) {
      if (!entryId(name)) {
        // There is nothing to change: this names what else is wrong.
        const { entry, violations } = change({ ...Entry.create(), paths: ['/any'], topic: 'any' });
        checked({ ...entry, name }, violations);
      }
      if (!former && orCreate) {
        const { entry, violations } = orCreate();
        return createWrite({ ...entry, name }, violations, terms).plan(former, now);
      }
      const present = required(former, name, etag);
      const { uid, createTime } = present;
      const { entry, violations } = change(present);
      return {
        change: 'CHANGE_UPDATED',
        entry: checked({ ...entry, name, uid, createTime, updateTime: now }, violations),
      };
    },
  };
}

export function deleteWrite({ name, etag }: { name: string; etag: string }, terms: WriteTerms): EntryWrite {
  return {
    name,
    ...terms,
    plan(former) {
      requireEntryName(name);
      return { change: 'CHANGE_DELETED', entry: required(former, name, etag) };
    },
  };
}

/** Makes an entry again what it was at `revision`. One that was deleted gets the uid back that it had last. */
export function rollbackWrite(
  asked: { name: string; etag: string; revision: bigint },
  history: EntryHistory,
  terms: WriteTerms,
): EntryWrite {
  const { name, etag, revision } = asked;
  return {
    name,
    ...terms,
    async plan(former, now) {
      requireEntryName(name);
      if (etag !== '') required(former, name, etag);
      const kept = await history.of(name);
      const to = kept.find(({ version }) => version.revision === revision);
      if (!to) throw new ApiError('NOT_FOUND', `${name} has no version of revision ${revision}: ${revisionsOf(kept)}`);
      const last = former ?? (kept.at(-1)?.version.entry as Entry);
      const { uid, createTime } = last;
      const wanted = { ...(to.version.entry as Entry), name, uid, createTime, updateTime: now };
      return {
        change: 'CHANGE_ROLLED_BACK',
        entry: checked({ ...wanted, etag: '' }, []),
        json: to.json,
        rolledBackTo: revision,
      };
    },
  };
}

/** What is wrong with why something is written. */
export function reasonViolations(field: string, reason: string): FieldViolation[] {
  if (reason.length <= REASON_CHARACTERS_MAX) return [];
  return [{ field, description: `has ${reason.length} characters: at most ${REASON_CHARACTERS_MAX}` }];
}

/** Throws INVALID_ARGUMENT for what is no entry's name. */
export function requireEntryName(name: string): void {
  if (!entryId(name))
    throw invalidArgument([
      { field: 'name', description: `${JSON.stringify(name)} is not an entry's name: entries/ID` },
    ]);
}

export function notFound(name: string): ApiError {
  return new ApiError('NOT_FOUND', `there is no ${name}`);
}

function required(former: Entry | undefined, name: string, etag: string): Entry {
  if (!former) throw notFound(name);
  if (etag === '' || etag === former.etag) return former;
  throw new ApiError('ABORTED', `${name} has changed since: its etag is ${former.etag}, not ${etag}; get it again`);
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

function revisionsOf(kept: readonly { version: EntryVersion }[]): string {
  const last = kept.slice(-5).map(({ version }) => version.revision);
  return last.length === 0 ? 'it has no history' : `the last ones are ${last.reverse().join(', ')}`;
}
