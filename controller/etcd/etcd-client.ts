import { Etcd3, type IKeyValue, type IRangeRequest, type Lease } from 'etcd3';
import { systemClock } from '../../runtime/clock.ts';
import { replaceCredentials } from './etcd-credentials.ts';
import { etcdCall } from './etcd-errors.ts';
import type { KeyRange, ReadKey, StoredKey, Transaction } from './etcd-keys.ts';
import { EtcdMembers } from './etcd-members.ts';
import { type EtcdSettings, etcdOptions, probe } from './etcd-options.ts';
import { type WatchHandlers, watchRange } from './etcd-watch.ts';
import { StoreError } from './store-error.ts';

/** etcd answers within milliseconds; a call that has taken this long is reported as failed. */
const CALL_TIMEOUT_MS = 5_000;

/** Keys and ranges that are read at once: etcd takes 128 operations, and answers may be large. */
const GETS_AT_ONCE = 64;
/** Keys of one page of `keysIn`. */
const PAGE_KEYS = 5_000;

/** A lease and the keys that live no longer than it. */
export interface EtcdLease {
  readonly id: string;
  /** Rejects with StoreError REFUSED when the lease is gone. */
  keepAlive(): Promise<void>;
  revoke(): Promise<void>;
}

/**
 * With etcd-credentials.ts, etcd-errors.ts, etcd-members.ts, etcd-options.ts and etcd-watch.ts the one place that knows the etcd3 package. Guarded against, from its source: calls have no deadline of their own,
 * dead members are asked as often as others, lost leases are not granted again (EtcdLease leaves renewal to its user), and
 * a cancelled watch says `error` once and is gone (`watch` hands that to its user, who lists again).
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

  /** Every key of a range, in their order, and the revision at which they were so. */
  async list(range: KeyRange): Promise<{ revision: bigint; keys: ReadKey[] }> {
    const { header, kvs } = await etcdCall(() => this.#client.getAll().inRange(range).exec());
    return { revision: BigInt(header.revision), keys: kvs.map(toStored) };
  }

  /**
   * The keys of a range, in their order and without values, page by page; and the revision at which the first page was read. Later pages may
   * be of later revisions, so that a compaction does not matter.
   */
  async keysIn({ start, end }: KeyRange): Promise<{ revision: bigint; keys: Omit<StoredKey, 'value'>[] }> {
    const range_end = Buffer.from(end);
    const keys: Omit<StoredKey, 'value'>[] = [];
    let revision = 0n;
    for (let from = start; ; ) {
      const request = { key: Buffer.from(from), range_end, limit: PAGE_KEYS, keys_only: true };
      const { header, kvs, more } = await etcdCall(() => this.#client.kv.range(request));
      revision ||= BigInt(header.revision);
      for (const { key, mod_revision } of kvs) keys.push({ key: key.toString(), revision: BigInt(mod_revision) });
      const last = keys.at(-1);
      if (!more || !last) return { revision, keys };
      from = `${last.key}\0`;
    }
  }

  /** How many keys a range has. */
  count(range: KeyRange): Promise<number> {
    return etcdCall(() => this.#client.getAll().inRange(range).count());
  }

  /** What is there of these keys, in their order; undefined for those that are not. */
  getMany(keys: readonly string[]): Promise<(ReadKey | undefined)[]> {
    return this.#firstOfEach(keys.map((key) => ({ key: Buffer.from(key) })));
  }

  /** The last key of each range, without its value; undefined for those that are empty. */
  lastInEach(ranges: readonly KeyRange[]): Promise<(Omit<ReadKey, 'value'> | undefined)[]> {
    const last = { limit: 1, sort_target: 'Key', sort_order: 'Descend', keys_only: true } as const;
    return this.#firstOfEach(
      ranges.map(({ start, end }) => ({ key: Buffer.from(start), range_end: Buffer.from(end), ...last })),
    );
  }

  async get(key: string): Promise<ReadKey | undefined> {
    const { kvs } = await etcdCall(() => this.#client.get(key).exec());
    return kvs[0] && toStored(kvs[0]);
  }

  /** Writes `key` unless it is there, and then `also`, in one transaction; returns the writes' revision, or what is there. */
  async create(
    key: string,
    value: string,
    leaseId?: string,
    also?: { key: string; value: string },
  ): Promise<{ revision: bigint } | { present: StoredKey }> {
    const transaction = this.#client
      .if(key, 'Create', '==', 0)
      .then(this.#put(key, value, leaseId), ...this.#also(also))
      .else(this.#client.get(key));
    const { succeeded, header, responses } = await etcdCall(() => transaction.commit());
    if (succeeded) return { revision: BigInt(header.revision) };
    const kv = responses[0]?.response_range?.kvs[0];
    if (!kv) throw new StoreError('REFUSED', `${key} was there and gone within one transaction`);
    return { present: toStored(kv) };
  }

  /** Writes `key` if its revision still is `expected`, and then `also`; returns the writes' revision, or undefined when it is not. */
  async replace(
    key: string,
    value: string,
    expected: bigint,
    leaseId?: string,
    also?: { key: string; value: string },
  ): Promise<bigint | undefined> {
    const transaction = this.#client
      .if(key, 'Mod', '==', Number(expected))
      .then(this.#put(key, value, leaseId), ...this.#also(also));
    const { succeeded, header } = await etcdCall(() => transaction.commit());
    return succeeded ? BigInt(header.revision) : undefined;
  }

  /** Writes `key` whatever is there. */
  async put(key: string, value: string, leaseId?: string): Promise<void> {
    await etcdCall(() => this.#put(key, value, leaseId).exec());
  }

  /** Makes a transaction; returns its revision, or undefined when one of `when` does not hold, and nothing was written. */
  async transact({ when, puts, deletes }: Transaction): Promise<bigint | undefined> {
    const [first, ...rest] = when;
    if (!first) throw new StoreError('REFUSED', 'a transaction without a condition');
    const condition = this.#client.if(first.key, 'Mod', '==', Number(first.revision));
    for (const { key, revision } of rest) condition.and(key, 'Mod', '==', Number(revision));
    const operations = [
      ...puts.map(({ key, value }) => this.#put(key, value, undefined)),
      ...deletes.map((what) => this.#delete(what)),
    ];
    const { succeeded, header } = await etcdCall(() => condition.then(...operations).commit());
    return succeeded ? BigInt(header.revision) : undefined;
  }

  /** Deletes what there is of it. */
  async remove(what: string | KeyRange): Promise<void> {
    await etcdCall(() => this.#delete(what).exec());
  }

  /** Deletes `key` if it has this value, and then writes `instead`, in one transaction; tells what was there. */
  async removeIfValue(
    key: string,
    value: string,
    instead?: { key: string; value: string },
  ): Promise<'removed' | 'other' | 'absent'> {
    const transaction = this.#client
      .if(key, 'Value', '==', value)
      .then(this.#delete(key), ...this.#also(instead))
      .else(this.#client.get(key));
    const { succeeded, responses } = await etcdCall(() => transaction.commit());
    if (succeeded) return 'removed';
    return responses[0]?.response_range?.kvs.length ? 'other' : 'absent';
  }

  /** Deletes `key` if its revision still is `expected` and there is no `unless`; returns the revision at which it is gone. */
  async removeUnless(key: string, expected: bigint, unless: string): Promise<bigint | undefined> {
    const transaction = this.#client
      .if(key, 'Mod', '==', Number(expected))
      .and(unless, 'Create', '==', 0)
      .then(this.#client.delete().key(key));
    const { succeeded, header } = await etcdCall(() => transaction.commit());
    return succeeded ? BigInt(header.revision) : undefined;
  }

  async grantLease(ttlSeconds: number): Promise<EtcdLease> {
    const lease: Lease = this.#client.lease(ttlSeconds, { autoKeepAlive: false });
    // The package tells of a loss by an event, too; keepAlive's rejection is what counts here.
    lease.on('lost', () => {});
    const id = await etcdCall(() => lease.grant());
    return {
      id,
      keepAlive: async () => {
        await etcdCall(() => lease.keepaliveOnce({ deadline: new Date(Date.now() + CALL_TIMEOUT_MS) }));
      },
      revoke: async () => {
        await etcdCall(() => lease.revoke());
      },
    };
  }

  /** Follows a range, see WatchHandlers. Returns what ends it. */
  watch(range: KeyRange, fromRevision: bigint, handlers: WatchHandlers): () => void {
    return watchRange(this.#client, range, fromRevision, handlers);
  }

  close(): void {
    this.#members.close();
    this.#client.close();
  }

  async #firstOfEach(requests: readonly IRangeRequest[]): Promise<(ReadKey | undefined)[]> {
    const found: (ReadKey | undefined)[] = [];
    for (let at = 0; at < requests.length; at += GETS_AT_ONCE) {
      const success = requests.slice(at, at + GETS_AT_ONCE).map((request_range) => ({ request_range }));
      const { responses } = await etcdCall(() => this.#client.kv.txn({ success }));
      for (const { response_range } of responses) {
        const kv = response_range?.kvs[0];
        found.push(kv && toStored(kv));
      }
    }
    return found;
  }

  #also(write: { key: string; value: string } | undefined) {
    return write ? [this.#put(write.key, write.value, undefined)] : [];
  }

  #delete(what: string | KeyRange) {
    return typeof what === 'string' ? this.#client.delete().key(what) : this.#client.delete().inRange(what);
  }

  #put(key: string, value: string, leaseId: string | undefined) {
    const put = this.#client.put(key).value(value);
    return leaseId === undefined ? put : put.lease(leaseId);
  }
}

function toStored(kv: IKeyValue): ReadKey {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    revision: BigInt(kv.mod_revision),
    created: BigInt(kv.create_revision),
  };
}
