import type { Rollout } from '../../proto/gen/logfleet/v1/rollout.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type Term, writeFenced } from '../etcd/election.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import type { KeyFamily } from '../etcd/keyspace.ts';
import { encodeRollout, type KnownRollout, parseRollout } from './rollout-record.ts';

/**
 * The rollouts in etcd, by id. A rollout begins with the commit of its entry, see EntryRepository.
 */
export class RolloutRepository {
  readonly #client: EtcdClient;
  readonly #mirror: EtcdMirror;
  readonly #keys: KeyFamily;
  readonly #view: EtcdView<KnownRollout>;

  constructor(client: EtcdClient, mirror: EtcdMirror, keys: KeyFamily, logger: Logger) {
    this.#client = client;
    this.#mirror = mirror;
    this.#keys = keys;
    const parse = (value: string, revisions: { revision: bigint; createRevision: bigint }) => {
      return { rollout: parseRollout(value), ...revisions };
    };
    // An invalid value must not give agents a version that is not meant for them.
    this.#view = new EtcdView(mirror, keys, parse, logger, { keepsLast: true });
  }

  get(id: string | undefined): KnownRollout | undefined {
    return id === undefined ? undefined : this.#view.get(id);
  }

  all(): KnownRollout[] {
    return [...this.#view.all()].map(([, known]) => known);
  }

  /** Calls `listener` with the name of each entry whose rollout has changed. */
  onChange(listener: (entry: string) => void): void {
    this.#view.onChange((id, previous) => {
      const entries = new Set([previous, this.#view.get(id)].flatMap((known) => known?.rollout.entry ?? []));
      for (const entry of entries) listener(entry);
    });
  }

  /**
   * Replaces a rollout, or deletes it where `next` is undefined, and resolves when the view has the
   * write. Resolves with false, and writes nothing, when the rollout has been written since, when
   * `term` is over, or when one of the `conditions` fails.
   */
  async replace(
    { rollout: { id }, revision }: KnownRollout,
    next: Rollout | undefined,
    { term, conditions = [] }: { term?: Term; conditions?: Transaction['conditions'] } = {},
  ): Promise<boolean> {
    const key = this.#keys.key(id);
    const all = [{ key, revision }, ...conditions];
    const puts = next ? [{ key, value: encodeRollout(next) }] : [];
    const deletes = next ? [] : [key];
    const written = term
      ? await writeFenced(this.#client, term, [...puts, ...deletes.map((at) => ({ key: at }))], all)
      : await this.#client.transact({ conditions: all, puts, deletes });
    if (written === undefined) return false;
    await this.#mirror.waitForRevision(written);
    return true;
  }

  /** Resolves when the view is at least as new as the rollout in etcd. */
  async refresh(id: string): Promise<void> {
    const present = await this.#client.get(this.#keys.key(id));
    if (present) await this.#mirror.waitForRevision(present.revision);
  }
}
