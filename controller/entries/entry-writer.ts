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
import type { DeletedHistories } from './deleted-histories.ts';
import type { EntryWrite, PlannedWrite } from './entry-writes.ts';
import { governing } from './rollout-record.ts';
import { type Former, readFormers, transactionOf } from './write-transaction.ts';

export interface WriterOptions {
  /** How many versions of an entry are kept. */
  versions: number;
}

/** What is known here of the entries as they are; it may be behind. */
export interface EntryView {
  former(name: string): Former | undefined;
  /** Resolves when the view is at `revision`. */
  reaches(revision: bigint): Promise<void>;
}

/** What was written, in the order of the writes. */
export interface Written {
  /** 0n: it was only checked. */
  revision: bigint;
  results: { change: EntryVersion_Change; entry: Entry }[];
}

/** A write that lost a race is tried again with what is there now, this often. */
const ATTEMPTS_MAX = 5;
const UNANSWERED = 'etcd gives no answer, and may have made the write all the same: look before you write again';
/** No key was ever written at this revision. */
const NEVER = -1n;

/**
 * Writes entries, one or many at one revision, and with each the version that tells of it, in one transaction. The first attempt goes by the
 * view, which spares asking etcd; whatever does not fit then is asked.
 */
export class EntryWriter {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #view: EntryView;
  readonly #deleted: DeletedHistories;
  readonly #options: WriterOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    client: EtcdClient,
    parts: { keys: Keyspace; view: EntryView; deleted: DeletedHistories },
    options: WriterOptions,
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#keys = parts.keys;
    this.#view = parts.view;
    this.#deleted = parts.deleted;
    this.#options = options;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** Makes all of the writes or none; each is of another entry. With `validateOnly` none, but all that could be refused is. */
  async write(writes: readonly EntryWrite[], by: Author, validateOnly: boolean): Promise<Written> {
    const names = writes.map(({ name }) => name);
    for (let attempt = 0; attempt <= ATTEMPTS_MAX; attempt++) {
      const byView = attempt === 0 && !validateOnly;
      const formers = byView ? names.map((name) => this.#view.former(name)) : await this.#ask(names);
      if (formers.includes(undefined)) continue;
      const now = new Date(this.#clock.nowMs());
      const planned = await this.#plan(writes, formers as Former[], now).catch((error: unknown) => {
        if (byView && error instanceof ApiError) return undefined;
        throw error;
      });
      if (!planned) continue;
      const steps = writes.map(({ reason }, index) => ({
        plan: planned[index] as PlannedWrite,
        former: formers[index] as Former,
        reason,
      }));
      const { transaction, trims } = transactionOf(steps, by, { now, keys: this.#keys, ...this.#options });
      if (validateOnly) return await this.#validate(transaction, steps);
      const revision = await this.#send(transaction, names.length).catch((error: unknown) => {
        throw isUnanswered(error) ? new ApiError('UNAVAILABLE', UNANSWERED, { cause: error }) : error;
      });
      if (revision !== undefined) return await this.#written(revision, planned, trims);
    }
    throw new ApiError('ABORTED', `${names.join(', ')} is being changed by others all the time: try again`);
  }

  #ask(names: readonly string[]): Promise<Former[]> {
    return readFormers(this.#client, this.#keys, names);
  }

  /** Rejects with every violation of every write, or with what else is in the way of one. */
  async #plan(writes: readonly EntryWrite[], formers: readonly Former[], now: Date): Promise<PlannedWrite[]> {
    const violations: FieldViolation[] = [];
    const others: unknown[] = [];
    const planned: PlannedWrite[] = [];
    for (const [index, write] of writes.entries()) {
      try {
        const former = formers[index] as Former;
        planned.push(await write.plan(former.entry, now, governing(former.rollout, former.revision)));
      } catch (error) {
        if (!(error instanceof ApiError) || error.violations.length === 0) others.push(error);
        else
          for (const { field, description } of error.violations)
            violations.push({ field: write.fieldOf(field), description });
      }
    }
    if (violations.length > 0) throw invalidArgument(violations);
    if (others.length > 0) throw others[0];
    return planned;
  }

  /** Has etcd look at the transaction, with a condition that can't hold: what it refuses, it refuses now. */
  async #validate(
    transaction: Transaction,
    steps: readonly { plan: PlannedWrite; former: Former }[],
  ): Promise<Written> {
    const [first, ...rest] = transaction.when;
    const when = first ? [{ ...first, revision: NEVER }, ...rest] : [];
    await this.#send({ ...transaction, when }, steps.length);
    const results = steps.map(({ plan: { change, entry }, former }) => ({
      change,
      entry: { ...entry, etag: former.entry?.etag ?? '' },
    }));
    return { revision: 0n, results };
  }

  async #written(revision: bigint, planned: readonly PlannedWrite[], trims: Transaction['deletes']): Promise<Written> {
    await this.#view.reaches(revision);
    try {
      for (const range of trims) await this.#client.remove(range);
      if (planned.some(({ change }) => change === 'CHANGE_DELETED')) await this.#deleted.trim();
    } catch (error) {
      // The next write does it: what was asked for is done.
      this.#logger.warn('more history is kept than is asked for', { error: errorText(error) });
    }
    const results = planned.map(({ change, entry }) => ({
      change,
      entry: change === 'CHANGE_DELETED' ? entry : { ...entry, etag: String(revision) },
    }));
    return { revision, results };
  }

  async #send(transaction: Transaction, writes: number): Promise<bigint | undefined> {
    try {
      return await this.#client.transact(transaction);
    } catch (error) {
      if (error instanceof StoreError) throw tooMuch(error, transaction, writes) ?? error;
      throw error;
    }
  }
}

function isUnanswered(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'UNAVAILABLE';
}

/** What to do about a transaction that etcd does not take; undefined when the error is another. */
function tooMuch({ code }: StoreError, { when, puts, deletes }: Transaction, writes: number): ApiError | undefined {
  const what = writes === 1 ? 'the write' : `the ${writes} writes`;
  const apart = writes === 1 ? '' : 'write fewer at once, or ';
  if (code === 'TOO_MANY') {
    const operations = Math.max(when.length, puts.length + deletes.length);
    const remedy = `${apart}start every etcd with --max-txn-ops=${operations} or more`;
    return new ApiError(
      'RESOURCE_EXHAUSTED',
      `${what} take ${operations} operations of etcd, more than it makes at once (128 by default): ${remedy}`,
    );
  }
  if (code !== 'TOO_LARGE') return undefined;
  const bytes = puts.reduce((sum, { key, value }) => sum + key.length + Buffer.byteLength(value), 0);
  const least = Math.ceil(bytes / 1_048_576 + 0.5) * 1_048_576;
  const remedy = `${apart}start every etcd with --max-request-bytes=${least}`;
  return new ApiError(
    'RESOURCE_EXHAUSTED',
    `${what} have ${bytes} bytes with their history, more than etcd takes at once (1.5 MiB by default): ${remedy}`,
  );
}
