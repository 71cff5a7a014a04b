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
import { type EntryChange, reasonViolations } from '../entries/entry-changes.ts';
import { requireEntryName } from '../entries/entry-errors.ts';
import type { EntryHistory } from '../entries/entry-history.ts';
import type { EntryRepository } from '../entries/entry-repository.ts';
import type { EntryView } from '../entries/entry-view.ts';
import { invalidArgument } from '../errors/api-error.ts';
import type { KafkaTopics } from '../topics/kafka-topics.ts';
import { authorOf } from './author.ts';
import { batchChanges, createChange, deleteChange, rollbackChange, updateChange } from './entry-requests.ts';
import type { HistoryCalls } from './history-calls.ts';
import { labelSelector, listing } from './listing.ts';

export interface EntryServiceParts {
  /** Reads. */
  entries: EntryView;
  /** Changes. */
  repository: EntryRepository;
  history: EntryHistory;
  historyCalls: HistoryCalls;
  topics: KafkaTopics;
}

/** What every request that changes one entry has. */
interface ChangeRequest {
  changeReason: string;
  validateOnly: boolean;
}

/** The calls of EntryService. */
export class EntryService implements EntryServiceImplementation {
  readonly #parts: EntryServiceParts;

  constructor(parts: EntryServiceParts) {
    this.#parts = parts;
  }

  async getEntry({ name }: GetEntryRequest): Promise<Entry> {
    return this.#withTopicStatus(this.#parts.entries.get(name));
  }

  async listEntries(request: ListEntriesRequest) {
    const { selector, page: pageOf } = listing(request);
    const entries = this.#parts.entries.all().map(({ entry }) => entry);
    const { page, nextPageToken } = pageOf(
      entries.filter(({ labels }) => selector.matches(labels)),
      entryBytes,
    );
    return { entries: page.map((entry) => this.#withTopicStatus(entry)), nextPageToken };
  }

  createEntry(request: CreateEntryRequest, context: CallContext): Promise<Entry> {
    return this.#commit(createChange(request), request, context);
  }

  updateEntry(request: UpdateEntryRequest, context: CallContext): Promise<Entry> {
    return this.#commit(updateChange(request), request, context);
  }

  async deleteEntry(request: DeleteEntryRequest, context: CallContext): Promise<Record<string, never>> {
    await this.#commit(deleteChange(request), request, context);
    return {};
  }

  rollbackEntry(request: RollbackEntryRequest, context: CallContext): Promise<Entry> {
    return this.#commit(rollbackChange(request, this.#parts.history), request, context);
  }

  async batchApply(request: BatchApplyRequest, context: CallContext): Promise<BatchApplyResponse> {
    const { validateOnly } = request;
    const options = { author: authorOf(context), validateOnly };
    const { revision, results } = await this.#parts.repository.commit(batchChanges(request), options);
    return {
      revision,
      results: results.map(({ change, entry }) => ({ change, entry: this.#withTopicStatus(entry) })),
    };
  }

  listEntryVersions(request: ListEntryVersionsRequest): Promise<ListEntryVersionsResponse> {
    return this.#parts.historyCalls.list(request);
  }

  watchChanges(request: WatchChangesRequest, { signal }: CallContext): AsyncGenerator<WatchChangesResponse> {
    return this.#parts.historyCalls.watch(request, signal);
  }

  /** Sends a slow reader the latest state of each entry, never a queue of all its states. */
  async *watchEntries(request: WatchEntriesRequest, { signal }: CallContext): AsyncGenerator<WatchEntriesResponse> {
    const { entries, topics } = this.#parts;
    if (request.name !== '') requireEntryName(request.name);
    const selector = labelSelector(request.labelSelector);
    const isWanted = (entry: Entry) =>
      (request.name === '' || entry.name === request.name) && selector.matches(entry.labels);
    const outbox = createOutbox<string, { entry: Entry; revision: bigint }>();
    const putTopic = (topic: string) => {
      for (const { entry } of entries.all())
        if (entry.topic === topic) outbox.put(entry.name, { entry, revision: entries.revision });
    };
    const unsubscribe = [
      entries.onChange(({ name, entry, revision }) => outbox.put(name, { entry, revision })),
      topics.onChange(putTopic),
    ];
    signal.addEventListener('abort', () => outbox.close(), { once: true });
    const sent = new Map<string, Entry>();
    try {
      for (const { entry } of entries.all()) {
        if (!isWanted(entry)) continue;
        sent.set(entry.name, entry);
        yield { kind: 'KIND_PRESENT', entry: this.#withTopicStatus(entry), revision: entries.revision };
      }
      yield { kind: 'KIND_SYNCED', entry: undefined, revision: entries.revision };
      for (let changes = await outbox.take(); changes; changes = await outbox.take()) {
        for (const [name, { entry, revision }] of changes) {
          const present = entries.find(name)?.entry;
          const isKnown = sent.has(name);
          if (present && isWanted(present)) {
            sent.set(name, present);
            const kind = isKnown ? 'KIND_UPDATED' : 'KIND_CREATED';
            yield { kind, entry: this.#withTopicStatus(present), revision };
          } else if (isKnown) {
            sent.delete(name);
            yield { kind: 'KIND_DELETED', entry: this.#withTopicStatus(entry), revision };
          }
        }
      }
    } finally {
      for (const stop of unsubscribe) stop();
    }
  }

  async #commit(change: EntryChange, request: ChangeRequest, context: CallContext): Promise<Entry> {
    const violations = reasonViolations('change_reason', request.changeReason);
    if (violations.length > 0) throw invalidArgument(violations);
    const options = { author: authorOf(context), validateOnly: request.validateOnly };
    const { results } = await this.#parts.repository.commit([change], options);
    return this.#withTopicStatus(results[0]?.entry as Entry);
  }

  #withTopicStatus(entry: Entry): Entry {
    return { ...entry, topicStatus: this.#parts.topics.status(entry.topic) };
  }
}
