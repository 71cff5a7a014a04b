import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryVersion, EntryVersion_Change } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { Rollout } from '../../proto/gen/logfleet/v1/rollout.ts';
import { restoreVersion } from '../../proto/rules/entry-fields.ts';
import { ENTRY_BYTES_MAX, entryBytes, entryViolations, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { entryId } from '../../proto/rules/names.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';
import { entryNotFound, requireEntryName } from './entry-errors.ts';
import type { EntryHistory } from './entry-history.ts';
import type { EntryJson } from './entry-json.ts';
import type { KnownRollout } from './rollout-record.ts';

/** A requested entry, and the violations found in its request. */
export interface EntryDraft {
  entry: Entry;
  violations: readonly FieldViolation[];
}

/** The outcome of planning a change. */
export interface PlannedChange {
  /** CHANGE_UNSPECIFIED: the entry stays as it is, and nothing is written. */
  change: EntryVersion_Change;
  /** The entry after the change; when it is deleted, the entry before. */
  entry: Entry;
  /** The JSON whose unknown fields are kept; by default that of the present entry. */
  json?: EntryJson;
  rolledBackTo?: bigint;
  /** A rollout that begins with this change, or the new state of the entry's last one. */
  rollout?: { begun: Rollout; changed?: never } | { begun?: never; changed: Rollout };
  /** Further conditions of the transaction. */
  conditions?: Transaction['conditions'];
}

/** A change of one entry. It is planned again when its commit loses a race. */
export interface EntryChange {
  name: string;
  reason: string;
  /** The fields that the request names, for the history; absent for the whole entry. */
  namedFields?: readonly string[];
  /**
   * Plans the change of the present entry, which is undefined when it does not exist. `rollout`:
   * the rollout of the entry's present version. Rejects with ApiError when the change is not
   * possible.
   */
  plan(present: Entry | undefined, now: Date, rollout?: KnownRollout): PlannedChange | Promise<PlannedChange>;
  /** The caller's name for a field of the entry or of the request. */
  fieldOf(field: string): string;
}

/** What every change has, whatever it changes. */
export interface ChangeTerms {
  reason: string;
  fieldOf(field: string): string;
}

const REASON_CHARACTERS_MAX = 1_024;

/** Creates an entry. `known`: violations found in the request. */
export function createEntry(requested: Entry, known: readonly FieldViolation[], terms: ChangeTerms): EntryChange {
  return {
    name: requested.name,
    ...terms,
    plan(present, now) {
      const entry = validate({ ...requested, uid: randomUUID(), createTime: now, updateTime: now }, known);
      if (present) {
        const remedy = 'update it, or choose another name';
        throw new ApiError('ALREADY_EXISTS', `${entry.name} exists already: ${remedy}`);
      }
      return { change: 'CHANGE_CREATED', entry };
    },
  };
}

/**
 * Updates an entry with `change`. A non-empty `etag` must be that of the present entry. `orCreate`
 * returns the entry to create when it does not exist.
 */
export function updateEntry(
  request: {
    name: string;
    etag: string;
    change: (present: Entry) => EntryDraft;
    orCreate?: (() => EntryDraft) | undefined;
  },
  terms: ChangeTerms,
): EntryChange {
  const { name, etag, change, orCreate } = request;
  return {
    name,
    ...terms,
    plan(present, now) {
      if (!entryId(name)) {
        // Validation throws, and names every other violation as well.
        const { entry, violations } = change({ ...Entry.create(), paths: ['/any'], topic: 'any' });
        validate({ ...entry, name }, violations);
      }
      if (!present && orCreate) {
        const { entry, violations } = orCreate();
        return createEntry({ ...entry, name }, violations, terms).plan(present, now);
      }
      const current = requireEntry(present, name, etag);
      const { uid, createTime } = current;
      const { entry, violations } = change(current);
      const next = validate({ ...entry, name, uid, createTime, updateTime: now }, violations);
      if (isSameContent(current, next)) return { change: 'CHANGE_UNSPECIFIED', entry: current };
      return { change: 'CHANGE_UPDATED', entry: next };
    },
  };
}

export function deleteEntry({ name, etag }: { name: string; etag: string }, terms: ChangeTerms): EntryChange {
  return {
    name,
    ...terms,
    plan(present) {
      requireEntryName(name);
      return { change: 'CHANGE_DELETED', entry: requireEntry(present, name, etag) };
    },
  };
}

/**
 * Restores an entry's version of `revision`. A deleted entry gets its last uid back. An entry that
 * exists keeps a pause and a limit that an operator has set and the version does not have.
 */
export function rollBackEntry(
  request: { name: string; etag: string; revision: bigint },
  history: EntryHistory,
  terms: ChangeTerms,
): EntryChange {
  const { name, etag, revision } = request;
  return {
    name,
    ...terms,
    async plan(present, now) {
      requireEntryName(name);
      if (etag !== '') requireEntry(present, name, etag);
      const versions = await history.listVersions(name);
      const to = versions.find(({ version }) => version.revision === revision);
      if (!to)
        throw new ApiError(
          'NOT_FOUND',
          `${name} has no version of revision ${revision}: ${describeRevisions(versions)}`,
        );
      const last = present ?? (versions.at(-1)?.version.entry as Entry);
      const { uid, createTime } = last;
      const restored = to.version.entry as Entry;
      const newestFirst = versions.map(({ version }) => version).reverse();
      const content = present ? restoreVersion(restored, present, newestFirst) : restored;
      const wanted = { ...content, name, uid, createTime, updateTime: now };
      return {
        change: 'CHANGE_ROLLED_BACK',
        entry: validate({ ...wanted, etag: '' }, []),
        json: to.json,
        rolledBackTo: revision,
      };
    },
  };
}

/** The violations of a change's reason. */
export function reasonViolations(field: string, reason: string): FieldViolation[] {
  if (reason.length <= REASON_CHARACTERS_MAX) return [];
  return [{ field, description: `has ${reason.length} characters: at most ${REASON_CHARACTERS_MAX}` }];
}

/** Throws NOT_FOUND, or ABORTED when the entry has another etag. */
function requireEntry(present: Entry | undefined, name: string, etag: string): Entry {
  if (!present) throw entryNotFound(name);
  if (etag === '' || etag === present.etag) return present;
  throw new ApiError('ABORTED', `${name} has changed since: its etag is ${present.etag}, not ${etag}; get it again`);
}

function isSameContent(a: Entry, b: Entry): boolean {
  const derived = { updateTime: undefined, topicStatus: undefined, etag: '' };
  return isDeepStrictEqual(Entry.toJSON({ ...a, ...derived }), Entry.toJSON({ ...b, ...derived }));
}

/** The entry with its defaults. Throws its violations, together with the `known` ones. */
function validate(requested: Entry, known: readonly FieldViolation[]): Entry {
  const bytes = entryBytes(requested);
  if (bytes > ENTRY_BYTES_MAX) {
    throw new ApiError(
      'RESOURCE_EXHAUSTED',
      `the entry has ${bytes} bytes: at most ${ENTRY_BYTES_MAX}; use globs instead of lists`,
    );
  }
  const violations = [...known, ...entryViolations(requested)];
  if (violations.length > 0) throw invalidArgument(violations);
  return withEntryDefaults(requested);
}

function describeRevisions(versions: readonly { version: EntryVersion }[]): string {
  const last = versions.slice(-5).map(({ version }) => version.revision);
  return last.length === 0 ? 'it has no history' : `its last revisions are ${last.reverse().join(', ')}`;
}
