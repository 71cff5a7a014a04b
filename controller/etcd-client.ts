import { noop } from 'cockatiel';
import { Etcd3, type IKeyValue, isRecoverableError, type Lease, type Watcher } from 'etcd3';
import { errorText } from '../runtime/errors.ts';
import { grpcTls, type TlsMaterial } from '../runtime/security.ts';
import { StoreError } from './store-error.ts';

/** etcd answers within milliseconds; a call that has taken this long is reported as failed. */
const CALL_TIMEOUT_MS = 5_000;

export interface EtcdSettings {
  endpoints: readonly string[];
  tls: TlsMaterial | undefined;
  user: { username: string; password: string } | undefined;
}

/** A key as etcd has it. */
export interface StoredKey {
  key: string;
  value: string;
  /** The revision of its last write. */
  revision: bigint;
}

/** A change of a key; `value` is absent when it was deleted. */
export interface KeyChange {
  key: string;
  value: string | undefined;
  revision: bigint;
}

/** A lease and the keys that live no longer than it. */
export interface EtcdLease {
  readonly id: string;
  /** Rejects with StoreError REFUSED when the lease is gone. */
  keepAlive(): Promise<void>;
  revoke(): Promise<void>;
}

/**
 * The one place that knows the etcd3 package. Guarded against, from its source: calls have no deadline of their own, a host that
 * failed three times is left alone for five seconds, lost leases are not granted again (EtcdLease leaves renewal to its user), and
 * a cancelled watch says `error` once and is gone (`watch` hands that to its user, who lists again).
 */
export class EtcdClient {
  readonly #client: Etcd3;

  constructor(settings: EtcdSettings) {
    const { tls, user } = settings;
    this.#client = new Etcd3({
      hosts: settings.endpoints.map((endpoint) => (tls ? endpoint.replace(/^http:/, 'https:') : endpoint)),
      ...(tls && { credentials: credentialsOf(tls) }),
      ...(user && { auth: user }),
      // Its own retries and circuit breaker would hide from us for how long etcd has been away.
      faultHandling: { host: () => noop, global: noop },
      grpcOptions: {
        'grpc.keepalive_time_ms': 7_000,
        'grpc.keepalive_timeout_ms': 3_000,
        'grpc.max_receive_message_length': -1,
        ...(tls && grpcTls(tls).channel),
      },
      defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: new Date(Date.now() + CALL_TIMEOUT_MS) }),
    });
  }

  /** Every key below `prefix`, and the revision at which they were so. */
  async list(prefix: string): Promise<{ revision: bigint; keys: StoredKey[] }> {
    const { header, kvs } = await call(() => this.#client.getAll().prefix(prefix).exec());
    return { revision: BigInt(header.revision), keys: kvs.map(toStored) };
  }

  async get(key: string): Promise<StoredKey | undefined> {
    const { kvs } = await call(() => this.#client.get(key).exec());
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
    const { succeeded, header, responses } = await call(() => transaction.commit());
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
    const { succeeded, header } = await call(() => transaction.commit());
    return succeeded ? BigInt(header.revision) : undefined;
  }

  /** Writes `key` whatever is there. */
  async put(key: string, value: string, leaseId?: string): Promise<void> {
    await call(() => this.#put(key, value, leaseId).exec());
  }

  /** Deletes `key` if its revision still is `expected`; returns the revision of that, or undefined when it is not. */
  async remove(key: string, expected: bigint): Promise<bigint | undefined> {
    const transaction = this.#client.if(key, 'Mod', '==', Number(expected)).then(this.#client.delete().key(key));
    const { succeeded, header } = await call(() => transaction.commit());
    return succeeded ? BigInt(header.revision) : undefined;
  }

  /** Deletes `key` if it has this value, and then writes `instead`, in one transaction; tells what was there. */
  async removeIfValue(
    key: string,
    value: string,
    instead?: { key: string; value: string },
  ): Promise<'removed' | 'other' | 'absent'> {
    const transaction = this.#client
      .if(key, 'Value', '==', value)
      .then(this.#client.delete().key(key), ...this.#also(instead))
      .else(this.#client.get(key));
    const { succeeded, responses } = await call(() => transaction.commit());
    if (succeeded) return 'removed';
    return responses[0]?.response_range?.kvs.length ? 'other' : 'absent';
  }

  /** Deletes `key` if its revision still is `expected` and there is no `unless`. */
  async removeUnless(key: string, expected: bigint, unless: string): Promise<boolean> {
    const transaction = this.#client
      .if(key, 'Mod', '==', Number(expected))
      .and(unless, 'Create', '==', 0)
      .then(this.#client.delete().key(key));
    return (await call(() => transaction.commit())).succeeded;
  }

  async grantLease(ttlSeconds: number): Promise<EtcdLease> {
    const lease: Lease = this.#client.lease(ttlSeconds, { autoKeepAlive: false });
    // The package tells of a loss by an event, too; keepAlive's rejection is what counts here.
    lease.on('lost', () => {});
    const id = await call(() => lease.grant());
    return {
      id,
      keepAlive: async () => {
        await call(() => lease.keepaliveOnce({ deadline: new Date(Date.now() + CALL_TIMEOUT_MS) }));
      },
      revoke: async () => {
        await call(() => lease.revoke());
      },
    };
  }

  /**
   * Follows `prefix` from `fromRevision` on. `onBroken` is called once when the watch is gone, as after a compaction, or may have missed
   * something, as after a lost connection: then list again. Returns what ends it.
   */
  watch(
    prefix: string,
    fromRevision: bigint,
    handlers: { onChanges(changes: KeyChange[]): void; onBroken(error: Error): void },
  ): () => void {
    const watcher: Watcher = this.#client.watch().prefix(prefix).startRevision(String(fromRevision)).watcher();
    let ended = false;
    watcher.on('data', ({ events }) => {
      if (ended || events.length === 0) return;
      handlers.onChanges(
        events.map(({ type, kv }) => ({
          key: kv.key.toString(),
          value: type === 'Put' ? kv.value.toString() : undefined,
          revision: BigInt(kv.mod_revision),
        })),
      );
    });
    const end = () => {
      if (ended) return;
      ended = true;
      // It can't be cancelled while etcd is away; it is deaf from here on anyhow.
      watcher.cancel().catch(() => {});
    };
    const broken = (error: Error) => {
      if (ended) return;
      end();
      handlers.onBroken(error);
    };
    watcher.on('error', broken);
    // Connected again, the package goes on from the answer's revision, not from where it was: what lies between would be lost.
    watcher.on('disconnected', broken);
    return end;
  }

  close(): void {
    this.#client.close();
  }

  #also(write: { key: string; value: string } | undefined) {
    return write ? [this.#put(write.key, write.value, undefined)] : [];
  }

  #put(key: string, value: string, leaseId: string | undefined) {
    const put = this.#client.put(key).value(value);
    return leaseId === undefined ? put : put.lease(leaseId);
  }
}

async function call<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    const text = errorText(error);
    if (/permission denied|authentication failed|invalid auth token/i.test(text)) {
      throw new StoreError('DENIED', `etcd refuses: ${text}; check etcd.user`, { cause: error });
    }
    if (isRecoverableError(error as Error) || /UNAVAILABLE|DEADLINE|no leader|timed out/i.test(text)) {
      throw new StoreError('UNAVAILABLE', 'etcd gives no answer', { cause: error, retryable: true });
    }
    if (/request is too large/i.test(text))
      throw new StoreError('TOO_LARGE', 'larger than etcd takes (1.5 MiB by default)', { cause: error });
    throw new StoreError('REFUSED', `etcd refuses: ${text}`, { cause: error });
  }
}

function toStored(kv: IKeyValue): StoredKey {
  return { key: kv.key.toString(), value: kv.value.toString(), revision: BigInt(kv.mod_revision) };
}

function credentialsOf({ ca, cert, key }: TlsMaterial) {
  return {
    rootCertificate: ca as Buffer,
    ...(key && { privateKey: key }),
    ...(cert && { certChain: cert }),
  };
}
