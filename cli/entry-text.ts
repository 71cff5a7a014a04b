import { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import { entryToDocument } from '../proto/rules/entry-document.ts';
import { renderDocument } from './output.ts';

const BY_SERVER = ['uid', 'etag', 'create_time', 'update_time', 'topic_status'];

/** What writers say of an entry, as YAML in which the same entry is the same text: in the order of entry.proto, maps by their keys. */
export function entryText(entry: Entry): string {
  const document = Object.entries(entryToDocument(Entry.create(entry)));
  const kept = document.filter(([key]) => !BY_SERVER.includes(key)).map(([key, value]) => [key, sorted(value)]);
  return renderDocument(Object.fromEntries(kept), 'yaml');
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
