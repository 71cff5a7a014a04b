import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';

/**
 * Trimming reads the names of all deleted entries, so it waits until this share more has piled up.
 */
const SLACK = 0.1;

/** Bounds how many deleted entries keep their versions. */
export class DeletedHistories {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #max: number;
  #isTrimming = false;

  constructor(client: EtcdClient, keys: Keyspace, max: number) {
    this.#client = client;
    this.#keys = keys;
    this.#max = max;
  }

  /**
   * Deletes the versions of the entries that were deleted first, if there are too many. Call it
   * after a deletion.
   */
  async trim(): Promise<void> {
    if (this.#isTrimming) return;
    this.#isTrimming = true;
    try {
      const count = await this.#client.count(this.#keys.deletions.range);
      if (count > Math.floor(this.#max * (1 + SLACK))) await this.#trimOldest();
    } finally {
      this.#isTrimming = false;
    }
  }

  /** Entries deleted up to this revision may have lost their versions; 0n: none has. */
  async trimmedRevision(): Promise<bigint> {
    const [mark] = await this.#client.getMany([this.#keys.trimmed]);
    return mark ? parseMark(mark) : 0n;
  }

  async #trimOldest(): Promise<void> {
    const { keys } = await this.#client.list(this.#keys.deletions.range);
    const oldest = keys.sort((a, b) => Number(a.revision - b.revision)).slice(0, keys.length - this.#max);
    const ids = oldest.map(({ key }) => this.#keys.deletions.parseId(key) as string);
    const entries = await this.#client.getMany(ids.map((id) => this.#keys.entries.key(id)));
    let [mark] = await this.#client.getMany([this.#keys.trimmed]);
    for (const [index, { key, revision }] of oldest.entries()) {
      const id = ids[index] as string;
      if (entries[index]) {
        // The entry was created again behind the controllers' back: only the mark is wrong.
        await this.#client.transact({ conditions: [{ key, revision }], puts: [], deletes: [key] });
        continue;
      }
      const value = JSON.stringify({ revision: String(revision) });
      const written = await this.#client.transact({
        conditions: [
          { key, revision },
          { key: this.#keys.entries.key(id), revision: 0n },
          { key: this.#keys.trimmed, revision: mark?.revision ?? 0n },
        ],
        puts: [{ key: this.#keys.trimmed, value }],
        deletes: [key, this.#keys.versions(id)],
      });
      // Another controller is trimming, or the entry has just been created again.
      if (written === undefined) return;
      mark = { key: this.#keys.trimmed, value, revision: written, createRevision: mark?.createRevision ?? written };
    }
  }
}

function parseMark({ value }: StoredKey): bigint {
  const { revision } = JSON.parse(value) as { revision?: string };
  return BigInt(revision ?? 0);
}
