import type { CallContext } from 'nice-grpc';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type {
  BatchApplyRequest,
  CreateEntryRequest,
  DeleteEntryRequest,
  RollbackEntryRequest,
  UpdateEntryRequest,
  EntryWrite as WriteRequest,
} from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { entryName } from '../../proto/rules/names.ts';
import type { EntryHistory } from '../entries/entry-history.ts';
import type { EntryWriter, Written } from '../entries/entry-writer.ts';
import {
  createWrite,
  deleteWrite,
  type EntryWrite,
  reasonViolations,
  rollbackWrite,
  updateWrite,
  type WriteTerms,
} from '../entries/entry-writes.ts';
import { invalidArgument } from '../errors/api-error.ts';
import { endingRollout, rolledOut } from '../rollouts/rollout-writes.ts';
import { authorOf } from './author.ts';
import { applyMask } from './field-mask.ts';

const OF_THE_REQUEST = ['update_mask', 'entry_id'];

interface WriteOptions {
  changeReason: string;
  validateOnly: boolean;
}

/** The calls that write entries. */
export class EntryWriting {
  readonly #writer: EntryWriter;
  readonly #history: EntryHistory;

  constructor(writer: EntryWriter, history: EntryHistory) {
    this.#writer = writer;
    this.#history = history;
  }

  create(request: CreateEntryRequest, context: CallContext): Promise<Entry> {
    return this.#one(creation(request, ''), request, context);
  }

  update(request: UpdateEntryRequest, context: CallContext): Promise<Entry> {
    return this.#one(update(request, ''), request, context);
  }

  delete(request: DeleteEntryRequest, context: CallContext): Promise<Entry> {
    return this.#one(deletion(request, ''), request, context);
  }

  rollback(request: RollbackEntryRequest, context: CallContext): Promise<Entry> {
    const fieldOf = (field: string) => (field === 'name' ? field : `entry.${field}`);
    const terms = { reason: request.changeReason, fieldOf };
    const write = endingRollout(
      rollbackWrite(request, this.#history, terms),
      `rolled back to revision ${request.revision}`,
    );
    return this.#one(write, request, context);
  }

  async batch(
    { writes: asked, changeReason, validateOnly }: BatchApplyRequest,
    context: CallContext,
  ): Promise<Written> {
    const violations = reasonViolations('change_reason', changeReason);
    const writes: EntryWrite[] = [];
    for (const [index, { write }] of asked.entries()) {
      const within = `writes[${index}].`;
      if (!write) violations.push({ field: `writes[${index}]`, description: 'give create, update or delete' });
      else {
        const one = writeOf(write, `${within}${write.$case}.`);
        writes.push({ ...one, reason: one.reason || changeReason });
        violations.push(...reasonViolations(`${within}${write.$case}.change_reason`, one.reason));
        if (write.value.validateOnly) {
          const description = 'must not be set: set it for the whole batch';
          violations.push({ field: `${within}${write.$case}.validate_only`, description });
        }
      }
    }
    violations.push(...twins(writes));
    if (asked.length === 0) violations.push({ field: 'writes', description: 'is required: give at least one' });
    if (violations.length > 0) throw invalidArgument(violations);
    return await this.#writer.write(writes, authorOf(context), validateOnly);
  }

  async #one(write: EntryWrite, { changeReason, validateOnly }: WriteOptions, context: CallContext): Promise<Entry> {
    const violations = reasonViolations('change_reason', changeReason);
    if (violations.length > 0) throw invalidArgument(violations);
    const { results } = await this.#writer.write([write], authorOf(context), validateOnly);
    return results[0]?.entry as Entry;
  }
}

function writeOf(write: NonNullable<WriteRequest['write']>, within: string): EntryWrite {
  switch (write.$case) {
    case 'create':
      return creation(write.value, within);
    case 'update':
      return update(write.value, within);
    case 'delete':
      return deletion(write.value, within);
  }
}

function creation(request: CreateEntryRequest, within: string): EntryWrite {
  const { entry = Entry.create(), entryId, changeReason, rollout } = request;
  const name = entryId === '' ? entry.name : entryName(entryId);
  const conflict = entryId !== '' && entry.name !== '' && entry.name !== name;
  const description = `${JSON.stringify(entryId)} and entry.name ${JSON.stringify(entry.name)} differ: give one of them`;
  const also = conflict ? [{ field: 'entry_id', description }] : [];
  const named = entryId === '' ? 'entry.name' : 'entry_id';
  return rolledOut(createWrite({ ...entry, name }, also, termsOf(named, within, changeReason)), rollout);
}

function update(request: UpdateEntryRequest, within: string): EntryWrite {
  const { entry, updateMask, allowMissing, changeReason, rollout } = request;
  if (!entry) throw invalidArgument([{ field: `${within}entry`, description: 'is required' }]);
  const mask = updateMask?.length ? updateMask : undefined;
  const { name, etag } = entry;
  const orCreate =
    allowMissing && etag === ''
      ? () => ({ entry, violations: applyMask(Entry.create(), entry, mask).violations })
      : undefined;
  const change = (former: Entry) => applyMask(former, entry, mask);
  const write = updateWrite({ name, etag, change, orCreate }, termsOf('entry.name', within, changeReason));
  return rolledOut(write, rollout);
}

function deletion({ name, etag, changeReason }: DeleteEntryRequest, within: string): EntryWrite {
  return deleteWrite({ name, etag }, { reason: changeReason, fieldOf: (field) => `${within}${field}` });
}

/** Violated fields are named as the caller sent them: below `entry`, and the name by `named`. */
function termsOf(named: string, within: string, reason: string): WriteTerms {
  const fieldOf = (field: string) => {
    if (OF_THE_REQUEST.includes(field) || field.startsWith('rollout.')) return within + field;
    return within + (field === 'name' ? named : `entry.${field}`);
  };
  return { reason, fieldOf };
}

function twins(writes: readonly EntryWrite[]): FieldViolation[] {
  const byName = Map.groupBy(writes, ({ name }) => name);
  return [...byName.values()]
    .filter(({ length }) => length > 1)
    .flatMap((same) =>
      same.map(({ name, fieldOf }) => ({
        field: fieldOf('name'),
        description: `${name} is written ${same.length} times: write each entry once`,
      })),
    );
}
