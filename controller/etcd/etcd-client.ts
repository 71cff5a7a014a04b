import { Etcd3, type IKeyValue, type IRangeRequest, type Lease } from 'etcd3';
import { systemClock } from '../../runtime/clock.ts';
import { replaceCredentials } from './etcd-credentials.ts';
import { callEtcd, writeEtcd } from './etcd-errors.ts';
import type { KeyRange, ReadKey, StoredKey, Transaction } from './etcd-keys.ts';
import { EtcdMembers } from './etcd-members.ts';
import { type EtcdSettings, etcdOptions, probe } from './etcd-options.ts';
import { type WatchHandlers, watchRange } from './etcd-watch.ts';
import { StoreError } from './store-error.ts';

/** etcd responds within milliseconds. A call that takes this long fails. */
const CALL_TIMEOUT_MS = 5_000;

/** Reads in one transaction. etcd allows 128 operations, and responses may be large. */
const READS_PER_TRANSACTION = 64;
/** Keys in one page of `listKeys`. */
const PAGE_KEYS = 5_000;
/** A condition on this revision never holds: no write has it. */
const NEVER = -1n;

/** A lease. Keys written under it are deleted when it expires. */
export interface EtcdLease {
  readonly id: string;
  /** Renews the lease. Rejects with StoreError REFUSED when it has expired. */
  keepAlive(): Promise<void>;
  revoke(): Promise<void>;
}

/**
 * A client of etcd. Only this folder knows the etcd3 package (docs/decisions/0003-etcd-client.md).
 * It makes up for four gaps in that package:
 *
 * - Calls have no deadline: every call here has one.
 * - Dead members get as many requests as others: see etcd-members.ts.
 * - Lost leases are not granted again: the owner of an EtcdLease renews it.
 * - A cancelled watch emits `error` once and stops: its owner lists again, see WatchHandlers.
 *
 * Every method rejects with StoreError.
 */
export class EtcdClient {
  readonly #client: Etcd3;
  readonly #members: EtcdMembers;

  constructor(settings: EtcdSettings) {
    const hosts = settings.endpoints.map((url) => (settings.tls?.current ? url.replace(/^http:/, 'https:') : url));
    this.#members = new EtcdMembers(hosts, (host) => probe(host, settings), systemClock);
    this.#client = new Etcd3(etcdOptions(hosts, settings, CALL_TIMEOUT_MS, this.#members));
    settings.tls?.onChange(() => {
      const tls = settings.tls?.current;
      if (tls) replaceCredentials(this.#client, tls);
    });
  }

  /** Every key of a range, sorted, and the revision at which they were read. */
  async list(range: KeyRange): Promise<{ revision: bigint; keys: ReadKey[] }> {
    const { header, kvs } = await callEtcd(() => this.#client.getAll().inRange(range).exec());
    return { revision: BigInt(header.revision), keys: kvs.map(toReadKey) };
  }

  /**
   * Every key of a range, sorted and without values, and the revision of the first page. Each page
   * is read at the revision of that moment, so a compaction in between does no harm.
   */
  async listKeys({ start, end }: KeyRange): Promise<{ revision: bigint; keys: Omit<StoredKey, 'value'>[] }> {
    const range_end = Buffer.from(end);
    const keys: Omit<StoredKey, 'value'>[] = [];
    let revision = 0n;
    for (let from = start; ; ) {
      const request = { key: Buffer.from(from), range_end, limit: PAGE_KEYS, keys_only: true };
      const { header, kvs, more } = await callEtcd(() => this.#client.kv.range(request));
      revision ||= BigInt(header.revision);
      for (const { key, mod_revision } of kvs) keys.push({ key: key.toString(), revision: BigInt(mod_revision) });
      const last = keys.at(-1);
      if (!more || !last) return { revision, keys };
      from = `${last.key}\0`;
    }
  }

  /** The number of keys in a range. */
  count(range: KeyRange): Promise<number> {
    return callEtcd(() => this.#client.getAll().inRange(range).count());
  }

  /** These keys, in the given order; undefined for each that does not exist. */
  getMany(keys: readonly string[]): Promise<(ReadKey | undefined)[]> {
    return this.#readFirst(keys.map((key) => ({ key: Buffer.from(key) })));
  }

  /** The last key of each range, without its value; undefined for each empty range. */
  getLastKeys(ranges: readonly KeyRange[]): Promise<(Omit<ReadKey, 'value'> | undefined)[]> {
    const last = { limit: 1, sort_target: 'Key', sort_order: 'Descend', keys_only: true } as const;
    return this.#readFirst(
      ranges.map(({ start, end }) => ({ key: Buffer.from(start), range_end: Buffer.from(end), ...last })),
    );
  }

  async get(key: string): Promise<ReadKey | undefined> {
    const { kvs } = await callEtcd(() => this.#client.get(key).exec());
    return kvs[0] && toReadKey(kvs[0]);
  }

  /**
   * Writes `key` unless it exists, and `companion` with it in one transaction. Returns the revision
   * of the writes, or the key that exists.
   */
  async create(
    key: string,
    value: string,
    leaseId?: string,
    companion?: { key: string; value: string },
  ): Promise<{ revision: bigint } | { present: StoredKey }> {
    const transaction = this.#client
      .if(key, 'Create', '==', 0)
      .then(this.#put(key, value, leaseId), ...this.#companionPuts(companion))
      .else(this.#client.get(key));
    const { succeeded, header, responses } = await writeEtcd(() => transaction.commit());
    if (succeeded) return { revision: BigInt(header.revision) };
    const kv = responses[0]?.response_range?.kvs[0];
    if (!kv) throw new StoreError('REFUSED', `etcd returned no value for ${key}, which exists`);
    return { present: toReadKey(kv) };
  }

  /**
   * Writes `key` if its revision is `expected`, and `companion` with it in one transaction. Returns
   * the revision of the writes; undefined when the key has changed.
   */
  async replace(
    key: string,
    value: string,
    expected: bigint,
    leaseId?: string,
    companion?: { key: string; value: string },
  ): Promise<bigint | undefined> {
    const transaction = this.#client
      .if(key, 'Mod', '==', Number(expected))
      .then(this.#put(key, value, leaseId), ...this.#companionPuts(companion));
    const { succeeded, header } = await writeEtcd(() => transaction.commit());
    return succeeded ? BigInt(header.revision) : undefined;
  }

  /** Writes `key` unconditionally. */
  async put(key: string, value: string, leaseId?: string): Promise<void> {
    await writeEtcd(() => this.#put(key, value, leaseId).exec());
  }

  /**
   * Returns the revision of a transaction; undefined when a condition failed and nothing was
   * written.
   */
  async transact(transaction: Transaction): Promise<bigint | undefined> {
    const { succeeded, header } = await writeEtcd(() => this.#commit(transaction));
    return succeeded ? BigInt(header.revision) : undefined;
  }

  /**
   * Lets etcd check a transaction against its limits. A condition that can't hold prevents the
   * write.
   */
  async validate({ conditions: [first, ...rest], ...writes }: Transaction): Promise<void> {
    const conditions = first ? [{ ...first, revision: NEVER }, ...rest] : [];
    await callEtcd(() => this.#commit({ ...writes, conditions }));
  }

  /** Deletes a key or a range, whether it exists or not. */
  async delete(target: string | KeyRange): Promise<void> {
    await writeEtcd(() => this.#delete(target).exec());
  }

  /**
   * Deletes `key` if it has this value, and writes `replacement` in the same transaction. Returns
   * what it found.
   */
  async deleteIfValue(
    key: string,
    value: string,
    replacement?: { key: string; value: string },
  ): Promise<'deleted' | 'other' | 'absent'> {
    const transaction = this.#client
      .if(key, 'Value', '==', value)
      .then(this.#delete(key), ...this.#companionPuts(replacement))
      .else(this.#client.get(key));
    const { succeeded, responses } = await writeEtcd(() => transaction.commit());
    if (succeeded) return 'deleted';
    return responses[0]?.response_range?.kvs.length ? 'other' : 'absent';
  }

  /**
   * Deletes `key` if its revision is `expected` and the key `unless` does not exist. Returns the
   * revision of the deletion; undefined when a condition failed.
   */
  async deleteUnless(key: string, expected: bigint, unless: string): Promise<bigint | undefined> {
    const transaction = this.#client
      .if(key, 'Mod', '==', Number(expected))
      .and(unless, 'Create', '==', 0)
      .then(this.#client.delete().key(key));
    const { succeeded, header } = await writeEtcd(() => transaction.commit());
    return succeeded ? BigInt(header.revision) : undefined;
  }

  async grantLease(ttlSeconds: number): Promise<EtcdLease> {
    const lease: Lease = this.#client.lease(ttlSeconds, { autoKeepAlive: false });
    // Without a listener the event would be thrown. A rejected keepAlive reports the loss.
    lease.on('lost', () => {});
    const id = await callEtcd(() => lease.grant());
    return {
      id,
      keepAlive: async () => {
        await callEtcd(() => lease.keepaliveOnce({ deadline: new Date(Date.now() + CALL_TIMEOUT_MS) }));
      },
      revoke: async () => {
        await callEtcd(() => lease.revoke());
      },
    };
  }

  /** Watches a range, see WatchHandlers. Returns a function that ends the watch. */
  watch(range: KeyRange, fromRevision: bigint, handlers: WatchHandlers): () => void {
    return watchRange(this.#client, range, fromRevision, handlers);
  }

  close(): void {
    this.#members.close();
    this.#client.close();
  }

  async #readFirst(requests: readonly IRangeRequest[]): Promise<(ReadKey | undefined)[]> {
    const results: (ReadKey | undefined)[] = [];
    for (let at = 0; at < requests.length; at += READS_PER_TRANSACTION) {
      const success = requests.slice(at, at + READS_PER_TRANSACTION).map((request_range) => ({ request_range }));
      const { responses } = await callEtcd(() => this.#client.kv.txn({ success }));
      for (const { response_range } of responses) {
        const kv = response_range?.kvs[0];
        results.push(kv && toReadKey(kv));
      }
    }
    return results;
  }

  #commit({ conditions: [first, ...rest], puts, deletes }: Transaction) {
    if (!first) throw new StoreError('REFUSED', 'the transaction has no condition');
    const comparison = this.#client.if(first.key, 'Mod', '==', Number(first.revision));
    for (const { key, revision } of rest) comparison.and(key, 'Mod', '==', Number(revision));
    const operations = [
      ...puts.map(({ key, value }) => this.#put(key, value, undefined)),
      ...deletes.map((target) => this.#delete(target)),
    ];
    return comparison.then(...operations).commit();
  }

  #companionPuts(write: { key: string; value: string } | undefined) {
    return write ? [this.#put(write.key, write.value, undefined)] : [];
  }

  #delete(target: string | KeyRange) {
    return typeof target === 'string' ? this.#client.delete().key(target) : this.#client.delete().inRange(target);
  }

  #put(key: string, value: string, leaseId: string | undefined) {
    const put = this.#client.put(key).value(value);
    return leaseId === undefined ? put : put.lease(leaseId);
  }
}

function toReadKey(kv: IKeyValue): ReadKey {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    revision: BigInt(kv.mod_revision),
    createRevision: BigInt(kv.create_revision),
  };
}
