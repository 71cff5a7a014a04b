import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryId, entryName } from '../../proto/rules/names.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { KeyRange, StoredKey } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { ChangeQueue } from './change-queue.ts';
import type { DeletedHistories } from './deleted-histories.ts';
import { readVersion } from './entry-json.ts';
import { FeedPosition } from './feed-position.ts';

export type ChangeEvent =
  | { kind: 'change'; version: EntryVersion }
  /** All changes up to `revision` have been sent; new ones follow. */
  | { kind: 'synced'; revision: bigint }
  /** Changes up to `revision` are no longer stored: of the entry `name`, or of deleted entries. */
  | { kind: 'trimmed'; name: string | undefined; revision: bigint };

type ListedKey = Omit<StoredKey, 'value'>;

const RETRY = { initialMs: 100, maxMs: 3_000 };
/** Versions in one read. */
const CHUNK = 64;

/**
 * Streams the changes of entries in the order of their revisions: first the stored ones, then new
 * ones as they happen. Stored changes are read from the keys of the versions, which a compaction
 * does not remove. New ones come from a watch. After a watch breaks, or when a follower is too
 * slow, the feed continues from the keys.
 */
export class ChangeFeed {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #deleted: DeletedHistories;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    { client, keys, deleted }: { client: EtcdClient; keys: Keyspace; deleted: DeletedHistories },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#keys = keys;
    this.#deleted = deleted;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /**
   * Follows the changes from `fromRevision` on until `signal` is aborted; 0n: only new ones. An
   * empty `name` means all entries. Rejects with StoreError until it is synced; after that it waits
   * for etcd. Rejects with FAILED_PRECONDITION when etcd was restored from an older backup.
   */
  async *follow(
    { name, fromRevision }: { name: string; fromRevision: bigint },
    signal: AbortSignal,
  ): AsyncGenerator<ChangeEvent> {
    const range = this.#keys.versions(name === '' ? undefined : entryId(name));
    const backoff = createBackoff(RETRY);
    let position = fromRevision === 0n ? undefined : new FeedPosition(fromRevision - 1n);
    let isSynced = false;
    while (!signal.aborted) {
      try {
        const { revision, keys } = await this.#listKeys(range, position);
        if (position && revision < position.revision) throw wentBack(position.revision, revision);
        if (position) yield* this.#readStored(keys, position, revision);
        position = new FeedPosition(revision);
        if (!isSynced) yield { kind: 'synced', revision };
        isSynced = true;
        backoff.reset();
        for await (const stored of this.#watch(range, revision + 1n, signal)) {
          position.advance(stored);
          const version = this.#parse(stored);
          if (version) yield { kind: 'change', version };
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isSynced || error instanceof ApiError) throw error;
        this.#logger.info('watch of changes lost, continuing from the history', { error: errorText(error) });
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
  }

  /** The present revision, and every key if stored changes are wanted. */
  #listKeys(range: KeyRange, position: FeedPosition | undefined): Promise<{ revision: bigint; keys: ListedKey[] }> {
    // An empty range costs nothing and still returns the revision.
    const listed = position === undefined ? { start: this.#keys.trimmed, end: this.#keys.trimmed } : range;
    return this.#client.listKeys(listed);
  }

  /** Yields the changes between `position` and `upTo`, and moves the position. */
  async *#readStored(keys: readonly ListedKey[], position: FeedPosition, upTo: bigint): AsyncGenerator<ChangeEvent> {
    const after = position.revision;
    const trimmedRevision = await this.#deleted.trimmedRevision();
    if (trimmedRevision > after) yield { kind: 'trimmed', name: undefined, revision: trimmedRevision };
    const present = new Set(keys.map(({ key }) => key));
    const wanted = keys
      .filter((listed) => listed.revision <= upTo && !position.includes(listed))
      .sort((a, b) => (a.revision < b.revision || (a.revision === b.revision && a.key < b.key) ? -1 : 1));
    for (let at = 0; at < wanted.length; at += CHUNK) {
      const chunk = wanted.slice(at, at + CHUNK);
      const values = await this.#client.getMany(chunk.map(({ key }) => key));
      for (const [index, { key, revision }] of chunk.entries()) {
        const stored = values[index];
        position.advance({ key, revision });
        if (!stored) {
          yield { kind: 'trimmed', name: entryName(this.#keys.parseVersion(key).id), revision };
          continue;
        }
        const read = this.#parse(stored);
        if (!read) continue;
        const { id, version } = this.#keys.parseVersion(key);
        const isGap = read.formerRevision > after && !present.has(this.#keys.version(id, version - 1n));
        if (isGap) yield { kind: 'trimmed', name: entryName(id), revision: read.formerRevision };
        yield { kind: 'change', version: read };
      }
    }
  }

  /**
   * New versions. Ends when too many are waiting, rejects when the watch breaks: some may have been
   * missed.
   */
  async *#watch(range: KeyRange, fromRevision: bigint, signal: AbortSignal): AsyncGenerator<StoredKey> {
    const queue = new ChangeQueue();
    const endWatch = this.#client.watch(range, fromRevision, {
      onChanges: (changes) => {
        // A deleted key is a version that was trimmed, and was reported when it was written.
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
      endWatch();
    }
  }

  /**
   * Undefined for an invalid value: one key that was written behind our back must not hide the
   * others.
   */
  #parse(stored: StoredKey): EntryVersion | undefined {
    try {
      return readVersion(stored, this.#keys.parseVersion(stored.key));
    } catch (error) {
      this.#logger.error('version of an entry skipped: it is invalid', { key: stored.key, error: errorText(error) });
      return undefined;
    }
  }
}

/** Which of the changes that were sent are undone, and from where others follow, is not known. */
function wentBack(from: bigint, to: bigint): ApiError {
  const remedy = 'read the history (ListEntryVersions), then follow without from_revision';
  const text = `etcd is at revision ${to}, before revision ${from}: it was restored from a backup; ${remedy}`;
  return new ApiError('FAILED_PRECONDITION', text);
}
