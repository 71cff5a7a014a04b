import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryDraft } from '../entries/entry-writes.ts';

/** Fields that writers set, as properties of Entry; the others are the server's. */
const writable = [
  'paths',
  'topic',
  'exclude',
  'selector',
  'start',
  'compression',
  'headers',
  'maxLineBytes',
  'overLong',
  'terminator',
  'encoding',
  'multiline',
  'filter',
  'maxBytesPerSecond',
  'paused',
  'owner',
  'description',
  'labels',
] as const;
const byServer = ['name', 'uid', 'etag', 'createTime', 'updateTime', 'topicStatus'] as const;

/**
 * `former` with the fields of `patch` that `mask` names (AIP-134): no mask means every field that is set, `*` all. Fields of the server's are
 * passed over; paths that are no field are violations.
 */
export function applyMask(former: Entry, patch: Entry, mask: readonly string[] | undefined): EntryDraft {
  const { _unknownFields } = patch;
  const entry: Entry = { ...former, ...(_unknownFields && { _unknownFields }) };
  for (const field of fieldsOf(patch, mask)) Object.assign(entry, { [field]: patch[field] });
  const unknown = (mask ?? []).filter((path) => path !== '*' && ![...writable, ...byServer].some(isField(path)));
  const violations = unknown.map((path) => ({
    field: 'update_mask',
    description: `${JSON.stringify(path)} is not a field of an entry`,
  }));
  return { entry, violations };
}

function fieldsOf(patch: Entry, mask: readonly string[] | undefined): readonly (typeof writable)[number][] {
  if (mask === undefined) return writable.filter((field) => isSet(patch[field]));
  return mask.includes('*') ? writable : writable.filter((field) => mask.some((path) => isField(path)(field)));
}

/** Masks come in the proto's spelling, or in JSON's. */
export function isField(path: string): (field: string) => boolean {
  const camel = path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return (field) => field === path || field === camel;
}

function isSet(value: Entry[(typeof writable)[number]]): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' ? Object.keys(value).length > 0 : Boolean(value);
}
