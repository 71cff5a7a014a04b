import type {
  ListEntryVersionsRequest,
  ListEntryVersionsResponse,
  WatchChangesRequest,
  WatchChangesResponse,
} from '../../proto/gen/logfleet/v1/entry_service.ts';
import { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { ChangeEvent, ChangeFeed } from '../entries/change-feed.ts';
import type { EntryHistory } from '../entries/entry-history.ts';
import { notFound, requireEntryName } from '../entries/entry-writes.ts';
import { invalidArgument } from '../errors/api-error.ts';
import { listing } from './listing.ts';

/** The calls that tell of entries' history. */
export class EntryChanges {
  readonly #history: EntryHistory;
  readonly #feed: ChangeFeed;

  constructor(history: EntryHistory, feed: ChangeFeed) {
    this.#history = history;
    this.#feed = feed;
  }

  async list({ name, pageSize, pageToken }: ListEntryVersionsRequest): Promise<ListEntryVersionsResponse> {
    requireEntryName(name);
    const { page: pageOf } = listing({ pageSize, pageToken, labelSelector: '', filter: name });
    const kept = await this.#history.of(name);
    if (kept.length === 0) throw notFound(name);
    // The listing goes on behind the last name of a page, so the newest version gets the least.
    const items = kept.reverse().map(({ version }) => ({ name: descending(version.version), version }));
    const { page, nextPageToken } = pageOf(items, ({ version }) => EntryVersion.encode(version).finish().length);
    return { versions: page.map(({ version }) => version), nextPageToken };
  }

  async *watch({ name, fromRevision }: WatchChangesRequest, signal: AbortSignal): AsyncGenerator<WatchChangesResponse> {
    if (name !== '') requireEntryName(name);
    if (fromRevision < 0n)
      throw invalidArgument([{ field: 'from_revision', description: `${fromRevision} is no revision` }]);
    for await (const event of this.#feed.follow({ name, fromRevision }, signal)) yield told(event);
  }
}

function told(event: ChangeEvent): WatchChangesResponse {
  switch (event.kind) {
    case 'change': {
      const { version } = event;
      return { kind: 'KIND_CHANGE', version, revision: version.revision, name: version.name };
    }
    case 'synced':
      return { kind: 'KIND_SYNCED', version: undefined, revision: event.revision, name: '' };
    case 'trimmed':
      return { kind: 'KIND_TRIMMED', version: undefined, revision: event.revision, name: event.name ?? '' };
  }
}

function descending(version: bigint): string {
  return String(10n ** 15n - version).padStart(16, '0');
}
