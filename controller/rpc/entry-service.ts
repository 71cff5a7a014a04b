import type { CallContext } from 'nice-grpc';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type {
  BatchApplyRequest,
  BatchApplyResponse,
  CreateEntryRequest,
  DeleteEntryRequest,
  EntryServiceImplementation,
  GetEntryRequest,
  ListEntriesRequest,
  ListEntryVersionsRequest,
  ListEntryVersionsResponse,
  RollbackEntryRequest,
  UpdateEntryRequest,
  WatchChangesRequest,
  WatchChangesResponse,
  WatchEntriesRequest,
  WatchEntriesResponse,
} from '../../proto/gen/logfleet/v1/entry_service.ts';
import { entryBytes } from '../../proto/rules/entry-rules.ts';
import { createOutbox } from '../../runtime/outbox.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import { requireEntryName } from '../entries/entry-writes.ts';
import type { KafkaTopics } from '../topics/kafka-topics.ts';
import type { EntryChanges } from './entry-changes.ts';
import type { EntryWriting } from './entry-writing.ts';
import { labelSelector, listing } from './listing.ts';
import type { TopicFeed } from './topic-feed.ts';

/** The calls of EntryService. */
export class EntryService implements EntryServiceImplementation {
  readonly #store: EntryStore;
  readonly #writing: EntryWriting;
  readonly #changes: EntryChanges;
  readonly #topics: KafkaTopics;
  readonly #feed: TopicFeed;

  constructor(
    store: EntryStore,
    calls: { writing: EntryWriting; changes: EntryChanges },
    topics: KafkaTopics,
    feed: TopicFeed,
  ) {
    this.#store = store;
    this.#writing = calls.writing;
    this.#changes = calls.changes;
    this.#topics = topics;
    this.#feed = feed;
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

  async createEntry(request: CreateEntryRequest, context: CallContext): Promise<Entry> {
    return this.#shown(await this.#writing.create(request, context));
  }

  async updateEntry(request: UpdateEntryRequest, context: CallContext): Promise<Entry> {
    return this.#shown(await this.#writing.update(request, context));
  }

  async deleteEntry(request: DeleteEntryRequest, context: CallContext): Promise<Record<string, never>> {
    await this.#writing.delete(request, context);
    return {};
  }

  async rollbackEntry(request: RollbackEntryRequest, context: CallContext): Promise<Entry> {
    return this.#shown(await this.#writing.rollback(request, context));
  }

  async batchApply(request: BatchApplyRequest, context: CallContext): Promise<BatchApplyResponse> {
    const { revision, results } = await this.#writing.batch(request, context);
    return { revision, results: results.map(({ change, entry }) => ({ change, entry: this.#shown(entry) })) };
  }

  listEntryVersions(request: ListEntryVersionsRequest): Promise<ListEntryVersionsResponse> {
    return this.#changes.list(request);
  }

  watchChanges(request: WatchChangesRequest, { signal }: CallContext): AsyncGenerator<WatchChangesResponse> {
    return this.#changes.watch(request, signal);
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
