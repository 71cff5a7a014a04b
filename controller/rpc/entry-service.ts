import type { CallContext } from 'nice-grpc';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type {
  CreateEntryRequest,
  DeleteEntryRequest,
  EntryServiceImplementation,
  GetEntryRequest,
  ListEntriesRequest,
  UpdateEntryRequest,
  WatchEntriesRequest,
  WatchEntriesResponse,
} from '../../proto/gen/logfleet/v1/entry_service.ts';
import { entryBytes } from '../../proto/rules/entry-rules.ts';
import { entryName } from '../../proto/rules/names.ts';
import { createOutbox } from '../../runtime/outbox.ts';
import { ApiError, invalidArgument } from '../api-error.ts';
import { type EntryStore, requireEntryName } from '../entry-store.ts';
import type { KafkaTopics } from '../kafka-topics.ts';
import { applyMask } from './field-mask.ts';
import { labelSelector, listing } from './listing.ts';
import type { TopicFeed } from './topic-feed.ts';

const OF_THE_REQUEST = ['update_mask', 'entry_id'];

/** The calls of EntryService. */
export class EntryService implements EntryServiceImplementation {
  readonly #store: EntryStore;
  readonly #topics: KafkaTopics;
  readonly #feed: TopicFeed;

  constructor(store: EntryStore, topics: KafkaTopics, feed: TopicFeed) {
    this.#store = store;
    this.#topics = topics;
    this.#feed = feed;
  }

  async createEntry({ entry = Entry.create(), entryId }: CreateEntryRequest): Promise<Entry> {
    const name = entryId === '' ? entry.name : entryName(entryId);
    const conflict = entryId !== '' && entry.name !== '' && entry.name !== name;
    const description = `${JSON.stringify(entryId)} and entry.name ${JSON.stringify(entry.name)} differ: give one of them`;
    const also = conflict ? [{ field: 'entry_id', description }] : [];
    const named = entryId === '' ? 'entry.name' : 'entry_id';
    return this.#shown(await fieldsFrom(named, () => this.#store.create({ ...entry, name }, also)));
  }

  async getEntry({ name }: GetEntryRequest): Promise<Entry> {
    return this.#shown(this.#store.get(name));
  }

  async listEntries(request: ListEntriesRequest) {
    const { selector, page: pageOf } = listing(request);
    const entries = this.#store.all().map(({ entry }) => entry);
    const { page, nextPageToken } = pageOf(
      entries.filter(({ labels }) => selector.matches(labels)),
      entryBytes,
    );
    return { entries: page.map((entry) => this.#shown(entry)), nextPageToken };
  }

  async updateEntry({ entry, updateMask, allowMissing }: UpdateEntryRequest): Promise<Entry> {
    if (!entry) throw invalidArgument([{ field: 'entry', description: 'is required' }]);
    const mask = updateMask?.length ? updateMask : undefined;
    try {
      const change = (former: Entry) => applyMask(former, entry, mask);
      return this.#shown(await fieldsFrom('entry.name', () => this.#store.update(entry.name, entry.etag, change)));
    } catch (error) {
      const missing = error instanceof ApiError && error.code === 'NOT_FOUND';
      if (!missing || !allowMissing || entry.etag !== '') throw error;
      const { violations } = applyMask(Entry.create(), entry, mask);
      return this.#shown(await fieldsFrom('entry.name', () => this.#store.create(entry, violations)));
    }
  }

  async deleteEntry({ name, etag }: DeleteEntryRequest): Promise<Record<string, never>> {
    await this.#store.delete(name, etag);
    return {};
  }

  /** A watcher that reads slowly is told each entry's last state, never a queue of all of them. */
  async *watchEntries(request: WatchEntriesRequest, { signal }: CallContext): AsyncGenerator<WatchEntriesResponse> {
    if (request.name !== '') requireEntryName(request.name);
    const selector = labelSelector(request.labelSelector);
    const wanted = (entry: Entry) =>
      (request.name === '' || entry.name === request.name) && selector.matches(entry.labels);
    const outbox = createOutbox<string, { entry: Entry; revision: bigint }>();
    const stops = [
      this.#store.onChange(({ name, entry, revision }) => outbox.put(name, { entry, revision })),
      this.#feed.onChange((entry) => outbox.put(entry.name, { entry, revision: this.#store.revision })),
    ];
    signal.addEventListener('abort', () => outbox.close(), { once: true });
    const told = new Map<string, Entry>();
    try {
      for (const { entry } of this.#store.all()) {
        if (!wanted(entry)) continue;
        told.set(entry.name, entry);
        yield { kind: 'KIND_PRESENT', entry: this.#shown(entry), revision: this.#store.revision };
      }
      yield { kind: 'KIND_SYNCED', entry: undefined, revision: this.#store.revision };
      for (let changes = await outbox.take(); changes; changes = await outbox.take()) {
        for (const [name, { entry, revision }] of changes) {
          const now = this.#store.find(name)?.entry;
          const former = told.get(name);
          if (now && wanted(now)) {
            told.set(name, now);
            yield { kind: former ? 'KIND_UPDATED' : 'KIND_CREATED', entry: this.#shown(now), revision };
          } else if (former) {
            told.delete(name);
            yield { kind: 'KIND_DELETED', entry: this.#shown(entry), revision };
          }
        }
      }
    } finally {
      for (const stop of stops) stop();
    }
  }

  #shown(entry: Entry): Entry {
    return { ...entry, topicStatus: this.#topics.status(entry.topic) };
  }
}

/** Names violated fields as the caller sent them: below `entry`, and the name by `named`. */
async function fieldsFrom<T>(named: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof ApiError) || error.violations.length === 0) throw error;
    const below = (field: string) => (field === 'name' ? named : `entry.${field}`);
    throw invalidArgument(
      error.violations.map(({ field, description }) => ({
        field: OF_THE_REQUEST.includes(field) ? field : below(field),
        description,
      })),
    );
  }
}
