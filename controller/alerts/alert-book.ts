import type { Logger } from '../../runtime/logger.ts';
import { fenced, type Term } from '../etcd/election.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import { type AlertRecord, encodeAlert, parseAlert } from './alert-record.ts';

/** As many as etcd takes in one transaction, by default. */
const WRITES_AT_ONCE = 100;

/** What is to be written of alerts. */
export interface AlertChanges {
  put: readonly AlertRecord[];
  remove: readonly AlertRecord[];
}

/** The alerts in etcd: every controller reads them, the elected one writes them. */
export class AlertBook {
  readonly #client: EtcdClient;
  readonly #mirror: EtcdMirror;
  readonly #prefix: string;
  readonly #view: EtcdView<AlertRecord>;

  constructor(client: EtcdClient, mirror: EtcdMirror, prefix: string, logger: Logger) {
    this.#client = client;
    this.#mirror = mirror;
    this.#prefix = `${prefix}alerts/`;
    this.#view = new EtcdView(mirror, this.#prefix, parseAlert, logger);
  }

  get(id: string): AlertRecord | undefined {
    return this.#view.get(id);
  }

  all(): AlertRecord[] {
    return [...this.#view.all()].map(([, record]) => record);
  }

  /** Resolves when what the terms before this one wrote can be read. */
  caughtUp({ revision }: Term): Promise<void> {
    return this.#mirror.reaches(revision);
  }

  /** Resolves when the changes can be read; rejects when the term is over, with some of them made perhaps. */
  async write(term: Term, { put, remove }: AlertChanges): Promise<void> {
    const writes = [
      ...put.map((record) => ({ key: this.#prefix + record.id, value: encodeAlert(record) })),
      ...remove.map(({ id }) => ({ key: this.#prefix + id })),
    ];
    for (let at = 0; at < writes.length; at += WRITES_AT_ONCE) {
      const revision = await fenced(this.#client, term, writes.slice(at, at + WRITES_AT_ONCE));
      if (revision === undefined) throw new Error('another controller has been elected meanwhile');
      await this.#mirror.reaches(revision);
    }
  }
}
