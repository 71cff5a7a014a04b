import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';

/** So many more than are kept may pile up, for each trimming reads the names of all. */
const SLACK = 0.1;

/** Bounds how many deleted entries have a history. */
export class DeletedHistories {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #max: number;
  #trimming = false;

  constructor(client: EtcdClient, keys: Keyspace, max: number) {
    this.#client = client;
    this.#keys = keys;
    this.#max = max;
  }

  /** Drops the histories whose entries were deleted first, when there are too many. To be called after a deletion. */
  async trim(): Promise<void> {
    if (this.#trimming) return;
    this.#trimming = true;
    try {
      if ((await this.#client.count(this.#keys.allDeleted())) > Math.floor(this.#max * (1 + SLACK))) await this.#trim();
    } finally {
      this.#trimming = false;
    }
  }

  /** The revision up to which deletions may have been dropped, and their entries' history with them; 0n: none was. */
  async trimmedTo(): Promise<bigint> {
    const [mark] = await this.#client.getMany([this.#keys.trimmed]);
    return mark ? revisionIn(mark) : 0n;
  }

  async #trim(): Promise<void> {
    const { keys } = await this.#client.list(this.#keys.allDeleted());
    const oldest = keys.sort((a, b) => Number(a.revision - b.revision)).slice(0, keys.length - this.#max);
    const ids = oldest.map(({ key }) => this.#keys.parseDeleted(key));
    const entries = await this.#client.getMany(ids.map((id) => this.#keys.entry(id)));
    let [mark] = await this.#client.getMany([this.#keys.trimmed]);
    for (const [index, { key, revision }] of oldest.entries()) {
      const id = ids[index] as string;
      if (entries[index]) {
        // Somebody has put it there past the controllers.
        await this.#client.transact({ when: [{ key, revision }], puts: [], deletes: [key] });
        continue;
      }
      const value = JSON.stringify({ revision: String(revision) });
      const made = await this.#client.transact({
        when: [
          { key, revision },
          { key: this.#keys.entry(id), revision: 0n },
          { key: this.#keys.trimmed, revision: mark?.revision ?? 0n },
        ],
        puts: [{ key: this.#keys.trimmed, value }],
        deletes: [key, this.#keys.versions(id)],
      });
      // Another controller is at it, or the entry has just come back: then there is one fewer.
      if (made === undefined) return;
      mark = { key: this.#keys.trimmed, value, revision: made, created: mark?.created ?? made };
    }
  }
}

function revisionIn({ value }: StoredKey): bigint {
  const { revision } = JSON.parse(value) as { revision?: string };
  return BigInt(revision ?? 0);
}
