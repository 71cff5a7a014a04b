import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryToDocument } from '../../proto/rules/entry-document.ts';
import { renderDocument } from '../output/document.ts';

/** Fields that the controller sets. */
const OUTPUT_ONLY = ['uid', 'etag', 'create_time', 'update_time', 'topic_status'];

/**
 * An entry's fields that writers set, as YAML. Equal entries have equal texts: fields are in the
 * order of entry.proto, maps are sorted by key.
 */
export function entryText(entry: Entry): string {
  const document = Object.entries(entryToDocument(Entry.create(entry)));
  const kept = document.filter(([key]) => !OUTPUT_ONLY.includes(key)).map(([key, value]) => [key, sorted(value)]);
  return renderDocument(Object.fromEntries(kept), 'yaml');
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
