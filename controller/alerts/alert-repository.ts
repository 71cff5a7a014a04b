import type { Logger } from '../../runtime/logger.ts';
import { type Term, writeFenced } from '../etcd/election.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import type { KeyFamily } from '../etcd/keyspace.ts';
import { type AlertRecord, encodeAlert, parseAlert } from './alert-record.ts';

/** Writes in one transaction. etcd allows 128 operations by default. */
const WRITES_PER_TRANSACTION = 100;

/** Alerts to write and to delete. */
export interface AlertChanges {
  put: readonly AlertRecord[];
  remove: readonly AlertRecord[];
}

/** The alerts in etcd. Every controller reads them; the elected controller writes them. */
export class AlertRepository {
  readonly #client: EtcdClient;
  readonly #mirror: EtcdMirror;
  readonly #keys: KeyFamily;
  readonly #view: EtcdView<AlertRecord>;

  constructor(client: EtcdClient, mirror: EtcdMirror, keys: KeyFamily, logger: Logger) {
    this.#client = client;
    this.#mirror = mirror;
    this.#keys = keys;
    this.#view = new EtcdView(mirror, keys, parseAlert, logger);
  }

  get(id: string): AlertRecord | undefined {
    return this.#view.get(id);
  }

  all(): AlertRecord[] {
    return [...this.#view.all()].map(([, record]) => record);
  }

  /** Resolves when the view has everything that previous terms wrote. */
  waitForTerm({ revision }: Term): Promise<void> {
    return this.#mirror.waitForRevision(revision);
  }

  /**
   * Resolves when the view has the changes. Rejects when the term is over; some changes may have
   * been made.
   */
  async write(term: Term, { put, remove }: AlertChanges): Promise<void> {
    const writes = [
      ...put.map((record) => ({ key: this.#keys.key(record.id), value: encodeAlert(record) })),
      ...remove.map(({ id }) => ({ key: this.#keys.key(id) })),
    ];
    for (let at = 0; at < writes.length; at += WRITES_PER_TRANSACTION) {
      const revision = await writeFenced(this.#client, term, writes.slice(at, at + WRITES_PER_TRANSACTION));
      if (revision === undefined) throw new Error('another controller has been elected');
      await this.#mirror.waitForRevision(revision);
    }
  }
}
