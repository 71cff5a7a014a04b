import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryId, entryName } from '../../proto/rules/names.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { KeyRange, StoredKey } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { ChangeQueue } from './change-queue.ts';
import type { DeletedHistories } from './deleted-histories.ts';
import { readVersion } from './entry-json.ts';
import { Told } from './told.ts';

/** What a follower is told. */
export type ChangeEvent =
  | { kind: 'change'; version: EntryVersion }
  | { kind: 'synced'; revision: bigint }
  /** Not kept any more: of one entry, or of entries that were deleted by then. */
  | { kind: 'trimmed'; name: string | undefined; revision: bigint };

type ListedKey = Omit<StoredKey, 'value'>;

const RETRY = { initialMs: 100, maxMs: 3_000 };
/** Versions that are read at once. */
const CHUNK = 64;

/**
 * Tells all changes of entries in their order, those that are kept and those that come. What was is read from the versions' keys, which no
 * compaction takes; what comes from a watch. A watch that breaks, and a follower that is too slow for what may wait, go on by the keys.
 */
export class ChangeFeed {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #deleted: DeletedHistories;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    client: EtcdClient,
    parts: { keys: Keyspace; deleted: DeletedHistories },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#keys = parts.keys;
    this.#deleted = parts.deleted;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /**
   * Follows from `fromRevision` on, 0n being what comes from now, until `signal` is aborted. `name`: only this entry; empty: all. Rejects
   * with StoreError while nothing has been told; later it waits for etcd.
   */
  async *follow(
    { name, fromRevision }: { name: string; fromRevision: bigint },
    signal: AbortSignal,
  ): AsyncGenerator<ChangeEvent> {
    const range = this.#keys.versions(name === '' ? undefined : entryId(name));
    const backoff = createBackoff(RETRY);
    let told = fromRevision === 0n ? undefined : new Told(fromRevision - 1n);
    let isSynced = false;
    while (!signal.aborted) {
      try {
        const { revision, keys } = await this.#head(range, told);
        if (told) yield* this.#tellKept(keys, told, revision);
        told = new Told(revision);
        if (!isSynced) yield { kind: 'synced', revision };
        isSynced = true;
        backoff.reset();
        for await (const stored of this.#watch(range, revision + 1n, signal)) {
          told.add(stored);
          const version = this.#read(stored);
          if (version) yield { kind: 'change', version };
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isSynced) throw error;
        this.#logger.info('followers of changes go on by the history', { error: errorText(error) });
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
  }

  /** The revision now, and all keys when something was asked for that was before. */
  #head(range: KeyRange, told: Told | undefined): Promise<{ revision: bigint; keys: ListedKey[] }> {
    // A range without keys costs nothing, and tells the revision all the same.
    const asked = told === undefined ? { start: this.#keys.trimmed, end: this.#keys.trimmed } : range;
    return this.#client.keysIn(asked);
  }

  /** Tells those of the keys that `told` has not, up to a revision, and notes them there. */
  async *#tellKept(keys: readonly ListedKey[], told: Told, upTo: bigint): AsyncGenerator<ChangeEvent> {
    const after = told.revision;
    const trimmedTo = await this.#deleted.trimmedTo();
    if (trimmedTo > after) yield { kind: 'trimmed', name: undefined, revision: trimmedTo };
    const there = new Set(keys.map(({ key }) => key));
    const wanted = keys
      .filter((listed) => listed.revision <= upTo && !told.has(listed))
      .sort((a, b) => (a.revision < b.revision || (a.revision === b.revision && a.key < b.key) ? -1 : 1));
    for (let at = 0; at < wanted.length; at += CHUNK) {
      const chunk = wanted.slice(at, at + CHUNK);
      const values = await this.#client.getMany(chunk.map(({ key }) => key));
      for (const [index, { key, revision }] of chunk.entries()) {
        const stored = values[index];
        told.add({ key, revision });
        if (!stored) {
          yield { kind: 'trimmed', name: entryName(this.#keys.parseVersion(key).id), revision };
          continue;
        }
        const read = this.#read(stored);
        if (!read) continue;
        const { id, version } = this.#keys.parseVersion(key);
        const isGap = read.formerRevision > after && !there.has(this.#keys.version(id, version - 1n));
        if (isGap) yield { kind: 'trimmed', name: entryName(id), revision: read.formerRevision };
        yield { kind: 'change', version: read };
      }
    }
  }

  /** What comes, until the watch breaks or too much waits: then it ends, or rejects, and something may have been missed. */
  async *#watch(range: KeyRange, fromRevision: bigint, signal: AbortSignal): AsyncGenerator<StoredKey> {
    const queue = new ChangeQueue();
    const end = this.#client.watch(range, fromRevision, {
      onChanges: (changes) => {
        // A deletion is a trimming: what it takes was told when it came.
        queue.put(
          changes.flatMap(({ key, value, revision }) => (value === undefined ? [] : [{ key, value, revision }])),
        );
      },
      onBroken: (error) => queue.end(error),
    });
    const onAbort = () => queue.end();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) queue.end();
    try {
      yield* queue;
    } finally {
      signal.removeEventListener('abort', onAbort);
      end();
    }
  }

  /** undefined for what makes no sense: one key that somebody wrote past us must not hide all others. */
  #read(stored: StoredKey): EntryVersion | undefined {
    try {
      return readVersion(stored, this.#keys.parseVersion(stored.key));
    } catch (error) {
      this.#logger.error('a version of an entry is not told', { key: stored.key, error: errorText(error) });
      return undefined;
    }
  }
}
