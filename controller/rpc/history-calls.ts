import type {
  ListEntryVersionsRequest,
  ListEntryVersionsResponse,
  WatchChangesRequest,
  WatchChangesResponse,
} from '../../proto/gen/logfleet/v1/entry_service.ts';
import { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { ChangeEvent, ChangeFeed } from '../entries/change-feed.ts';
import { entryNotFound, requireEntryName } from '../entries/entry-errors.ts';
import type { EntryHistory } from '../entries/entry-history.ts';
import { invalidArgument } from '../errors/api-error.ts';
import { listing } from './listing.ts';

/** The calls of EntryService about the history of entries. */
export class HistoryCalls {
  readonly #history: EntryHistory;
  readonly #feed: ChangeFeed;

  constructor(history: EntryHistory, feed: ChangeFeed) {
    this.#history = history;
    this.#feed = feed;
  }

  /** EntryService.ListEntryVersions */
  async list({ name, pageSize, pageToken }: ListEntryVersionsRequest): Promise<ListEntryVersionsResponse> {
    requireEntryName(name);
    const { page: pageOf } = listing({ pageSize, pageToken, labelSelector: '', filter: name });
    const versions = await this.#history.listVersions(name);
    if (versions.length === 0) throw entryNotFound(name);
    // Pages are sorted by name, so the newest version gets the smallest one.
    const items = versions.reverse().map(({ version }) => ({ name: descendingKey(version.version), version }));
    const { page, nextPageToken } = pageOf(items, ({ version }) => EntryVersion.encode(version).finish().length);
    return { versions: page.map(({ version }) => version), nextPageToken };
  }

  /** EntryService.WatchChanges */
  async *watch({ name, fromRevision }: WatchChangesRequest, signal: AbortSignal): AsyncGenerator<WatchChangesResponse> {
    if (name !== '') requireEntryName(name);
    if (fromRevision < 0n)
      throw invalidArgument([{ field: 'from_revision', description: `${fromRevision} is negative` }]);
    for await (const event of this.#feed.follow({ name, fromRevision }, signal)) yield toResponse(event);
  }
}

function toResponse(event: ChangeEvent): WatchChangesResponse {
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

/** Sorts higher versions first. */
function descendingKey(version: bigint): string {
  return String(10n ** 15n - version).padStart(16, '0');
}
