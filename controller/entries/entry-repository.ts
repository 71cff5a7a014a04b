import assert from 'node:assert/strict';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryVersion_Change } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { StoreError } from '../etcd/store-error.ts';
import type { Author } from './author.ts';
import { type ChangeBase, readChangeBases, storedBase } from './change-base.ts';
import { buildTransaction, type CommitStep } from './commit-transaction.ts';
import type { DeletedHistories } from './deleted-histories.ts';
import type { EntryChange, PlannedChange } from './entry-changes.ts';
import { entryEtag } from './entry-json.ts';
import type { EntryView } from './entry-view.ts';
import { currentRollout } from './rollout-record.ts';
import type { RolloutRepository } from './rollout-repository.ts';

export interface CommitOptions {
  author: Author;
  /** Writes nothing, but reports every reason for which the commit would be refused. */
  validateOnly?: boolean;
}

export interface Commit {
  /** The revision of the changes; 0n when nothing was written. */
  revision: bigint;
  /** In the order of the changes. */
  results: { change: EntryVersion_Change; entry: Entry }[];
}

/** How often a commit that lost a race is retried. */
const RETRIES_MAX = 5;

/**
 * Changes entries. A commit makes one or several changes at one revision, each with a new version
 * of its entry, in one transaction. The first attempt is based on the view, which saves a read from
 * etcd. When the view is outdated or the plan fails, the next attempt reads etcd.
 */
export class EntryRepository {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #entries: EntryView;
  readonly #rollouts: RolloutRepository;
  readonly #deleted: DeletedHistories;
  /** How many versions of an entry are kept. */
  readonly #versions: number;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    { client, keys }: { client: EtcdClient; keys: Keyspace },
    views: { entries: EntryView; rollouts: RolloutRepository },
    history: { deleted: DeletedHistories; versions: number },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#keys = keys;
    this.#entries = views.entries;
    this.#rollouts = views.rollouts;
    this.#deleted = history.deleted;
    this.#versions = history.versions;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /**
   * Makes all of the changes or none. Each must be of another entry. Resolves when the view has
   * them. Rejects with ApiError or StoreError.
   */
  async commit(changes: readonly EntryChange[], { author, validateOnly = false }: CommitOptions): Promise<Commit> {
    const names = changes.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, 'a commit changes each entry once');
    for (let attempt = 0; attempt <= RETRIES_MAX; attempt++) {
      const isFromView = attempt === 0 && !validateOnly;
      const bases = isFromView ? names.map((name) => this.#findBase(name)) : await this.#readBases(names);
      if (!areComplete(bases)) continue;
      const now = new Date(this.#clock.nowMs());
      const planned = await this.#plan(changes, bases, now).catch((error: unknown) => {
        if (isFromView && error instanceof ApiError) return undefined;
        throw error;
      });
      if (!planned) continue;
      const steps = changes.map(({ reason, namedFields = [] }, index) => {
        return { plan: planned[index] as PlannedChange, base: bases[index] as ChangeBase, reason, namedFields };
      });
      const isUnchanged = planned.every(({ change }) => change === 'CHANGE_UNSPECIFIED');
      // The view may be outdated: only etcd knows that nothing changes.
      if (isUnchanged && isFromView) continue;
      const context = { now, keys: this.#keys, versions: this.#versions };
      const { transaction, trims, written } = buildTransaction(steps, author, context);
      if (validateOnly) return await this.#validate(transaction, steps);
      if (isUnchanged) return { revision: 0n, results: planned };
      const revision = await this.#send(transaction, names.length, () => this.#client.transact(transaction));
      if (revision !== undefined) return await this.#finish(revision, { planned, written, trims });
    }
    throw new ApiError('ABORTED', `${names.join(', ')} changes too often to commit: try again`);
  }

  /** The base as far as the view has it, which may be outdated. Undefined: etcd must be read. */
  #findBase(name: string): ChangeBase | undefined {
    // Without a watch the view may be of an etcd that was restored from a backup since. Its
    // revisions, on which the transaction's conditions depend, may belong to other writes now.
    const known = this.#entries.isFollowing ? this.#entries.find(name) : undefined;
    return known && storedBase(name, known.stored, this.#rollouts.get(known.rollout), known.entry);
  }

  #readBases(names: readonly string[]): Promise<ChangeBase[]> {
    return readChangeBases(this.#client, this.#keys, names);
  }

  /** Rejects with the violations of all changes together, or else with the first other error. */
  async #plan(changes: readonly EntryChange[], bases: readonly ChangeBase[], now: Date): Promise<PlannedChange[]> {
    const violations: FieldViolation[] = [];
    const errors: unknown[] = [];
    const planned: PlannedChange[] = [];
    for (const [index, change] of changes.entries()) {
      try {
        const { entry, rollout, revision } = bases[index] as ChangeBase;
        planned.push(await change.plan(entry, now, currentRollout(rollout, revision)));
      } catch (error) {
        if (!(error instanceof ApiError) || error.violations.length === 0) errors.push(error);
        else
          for (const { field, description } of error.violations)
            violations.push({ field: change.fieldOf(field), description });
      }
    }
    if (violations.length > 0) throw invalidArgument(violations);
    if (errors.length > 0) throw errors[0];
    return planned;
  }

  async #validate(transaction: Transaction, steps: readonly CommitStep[]): Promise<Commit> {
    await this.#send(transaction, steps.length, () => this.#client.validate(transaction));
    const results = steps.map(({ plan: { change, entry }, base }) => ({
      change,
      entry: { ...entry, etag: base.entry?.etag ?? '' },
    }));
    return { revision: 0n, results };
  }

  async #finish(
    revision: bigint,
    {
      planned,
      written,
      trims,
    }: Pick<ReturnType<typeof buildTransaction>, 'written' | 'trims'> & { planned: readonly PlannedChange[] },
  ): Promise<Commit> {
    await this.#entries.waitForRevision(revision);
    try {
      for (const range of trims) await this.#client.delete(range);
      if (planned.some(({ change }) => change === 'CHANGE_DELETED')) await this.#deleted.trim();
    } catch (error) {
      // The commit has succeeded. The next one trims again.
      this.#logger.warn('old versions not deleted', { error: errorText(error) });
    }
    const results = planned.map(({ change, entry }, index) => {
      const json = written[index];
      return { change, entry: json ? { ...entry, etag: entryEtag(revision, json) } : entry };
    });
    return { revision, results };
  }

  /** Names the limit of etcd that the transaction exceeds. */
  async #send<T>(transaction: Transaction, changes: number, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (error instanceof StoreError) throw limitError(error, transaction, changes) ?? error;
      throw error;
    }
  }
}

function areComplete(bases: readonly (ChangeBase | undefined)[]): bases is readonly ChangeBase[] {
  return !bases.includes(undefined);
}

/**
 * The error and remedy when a transaction exceeds a limit of etcd; undefined for any other error.
 */
function limitError({ code }: StoreError, transaction: Transaction, changes: number): ApiError | undefined {
  const { conditions, puts, deletes } = transaction;
  const [subject, takes, has] =
    changes === 1 ? ['the write', 'takes', 'has'] : [`the ${changes} writes`, 'take', 'have'];
  const split = changes === 1 ? '' : 'make fewer writes at once, or ';
  if (code === 'TOO_MANY') {
    const operations = Math.max(conditions.length, puts.length + deletes.length);
    const remedy = `${split}start every etcd member with --max-txn-ops=${operations} or more`;
    const text = `${subject} ${takes} ${operations} etcd operations, more than one transaction may have (128 by default)`;
    return new ApiError('RESOURCE_EXHAUSTED', `${text}: ${remedy}`);
  }
  if (code !== 'TOO_LARGE') return undefined;
  const bytes = puts.reduce((sum, { key, value }) => sum + key.length + Buffer.byteLength(value), 0);
  const needed = Math.ceil(bytes / 1_048_576 + 0.5) * 1_048_576;
  const remedy = `${split}start every etcd member with --max-request-bytes=${needed}`;
  const text = `${subject} ${has} ${bytes} bytes with the history, more than one request may have (1.5 MiB by default)`;
  return new ApiError('RESOURCE_EXHAUSTED', `${text}: ${remedy}`);
}
