import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type {
  BatchApplyRequest,
  CreateEntryRequest,
  DeleteEntryRequest,
  EntryWrite,
  RollbackEntryRequest,
  UpdateEntryRequest,
} from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { entryName } from '../../proto/rules/names.ts';
import {
  type ChangeTerms,
  createEntry,
  deleteEntry,
  type EntryChange,
  reasonViolations,
  rollBackEntry,
  updateEntry,
} from '../entries/entry-changes.ts';
import type { EntryHistory } from '../entries/entry-history.ts';
import { invalidArgument } from '../errors/api-error.ts';
import { endRolloutWith, withRolloutPlan } from '../rollouts/rollout-changes.ts';
import { applyMask, namedFields } from './field-mask.ts';

/** Fields of requests. All other fields in violations are fields of the entry. */
const REQUEST_FIELDS = ['update_mask', 'entry_id'];

/**
 * The change for CreateEntry. `path`: where the request is within a batch; empty outside of one.
 */
export function createChange(request: CreateEntryRequest, path = ''): EntryChange {
  const { entry = Entry.create(), entryId, changeReason, rollout } = request;
  const name = entryId === '' ? entry.name : entryName(entryId);
  const isConflict = entryId !== '' && entry.name !== '' && entry.name !== name;
  const description = `${JSON.stringify(entryId)} and entry.name ${JSON.stringify(entry.name)} differ: give one of them`;
  const violations = isConflict ? [{ field: 'entry_id', description }] : [];
  const nameField = entryId === '' ? 'entry.name' : 'entry_id';
  const terms = changeTerms(nameField, path, changeReason);
  return withRolloutPlan(createEntry({ ...entry, name }, violations, terms), rollout);
}

/** The change for UpdateEntry. Throws INVALID_ARGUMENT without an entry. */
export function updateChange(request: UpdateEntryRequest, path = ''): EntryChange {
  const { entry, updateMask, allowMissing, changeReason, rollout } = request;
  if (!entry) throw invalidArgument([{ field: `${path}entry`, description: 'is required' }]);
  const mask = updateMask?.length ? updateMask : undefined;
  const { name, etag } = entry;
  const orCreate =
    allowMissing && etag === ''
      ? () => ({ entry, violations: applyMask(Entry.create(), entry, mask).violations })
      : undefined;
  const change = (present: Entry) => applyMask(present, entry, mask);
  const update = updateEntry({ name, etag, change, orCreate }, changeTerms('entry.name', path, changeReason));
  return { ...withRolloutPlan(update, rollout), namedFields: namedFields(entry, mask) };
}

export function deleteChange({ name, etag, changeReason }: DeleteEntryRequest, path = ''): EntryChange {
  return deleteEntry({ name, etag }, { reason: changeReason, fieldOf: (field) => path + field });
}

export function rollbackChange(request: RollbackEntryRequest, history: EntryHistory): EntryChange {
  const fieldOf = (field: string) => (field === 'name' ? field : `entry.${field}`);
  const change = rollBackEntry(request, history, { reason: request.changeReason, fieldOf });
  return endRolloutWith(change, `rolled back to revision ${request.revision}`);
}

/** The changes for BatchApply. Throws INVALID_ARGUMENT. */
export function batchChanges({ writes, changeReason }: BatchApplyRequest): EntryChange[] {
  const violations = reasonViolations('change_reason', changeReason);
  const changes: EntryChange[] = [];
  for (const [index, { write }] of writes.entries()) {
    const path = `writes[${index}].`;
    if (!write) violations.push({ field: `writes[${index}]`, description: 'give create, update or delete' });
    else {
      const change = writeChange(write, `${path}${write.$case}.`);
      changes.push({ ...change, reason: change.reason || changeReason });
      violations.push(...reasonViolations(`${path}${write.$case}.change_reason`, change.reason));
      if (write.value.validateOnly) {
        const description = 'must not be set: set it for the whole batch';
        violations.push({ field: `${path}${write.$case}.validate_only`, description });
      }
    }
  }
  violations.push(...duplicateViolations(changes));
  if (writes.length === 0) violations.push({ field: 'writes', description: 'is required: give at least one' });
  if (violations.length > 0) throw invalidArgument(violations);
  return changes;
}

function writeChange(write: NonNullable<EntryWrite['write']>, path: string): EntryChange {
  switch (write.$case) {
    case 'create':
      return createChange(write.value, path);
    case 'update':
      return updateChange(write.value, path);
    case 'delete':
      return deleteChange(write.value, path);
  }
}

/** Names violated fields as in the request: below `entry`, and the entry's name as `nameField`. */
function changeTerms(nameField: string, path: string, reason: string): ChangeTerms {
  const fieldOf = (field: string) => {
    if (REQUEST_FIELDS.includes(field) || field.startsWith('rollout.')) return path + field;
    return path + (field === 'name' ? nameField : `entry.${field}`);
  };
  return { reason, fieldOf };
}

function duplicateViolations(changes: readonly EntryChange[]): FieldViolation[] {
  const byName = Map.groupBy(changes, ({ name }) => name);
  return [...byName.values()]
    .filter(({ length }) => length > 1)
    .flatMap((same) =>
      same.map(({ name, fieldOf }) => ({
        field: fieldOf('name'),
        description: `${name} is written ${same.length} times: write each entry once`,
      })),
    );
}
