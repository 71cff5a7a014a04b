import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryDraft } from '../entries/entry-changes.ts';

/** Fields that clients set, as properties of Entry. The server sets the others. */
const writable = [
  'paths',
  'topic',
  'exclude',
  'followLinks',
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
const setByServer = ['name', 'uid', 'etag', 'createTime', 'updateTime', 'topicStatus'] as const;

/** Undefined: all fields that are set. */
type Mask = readonly string[] | undefined;

/**
 * The `present` entry with the fields of `patch` that `mask` names (AIP-134). Without a mask these
 * are all fields that are set; `*` means all fields. Fields that the server sets are ignored. Paths
 * that are not fields are violations.
 */
export function applyMask(present: Entry, patch: Entry, mask: Mask): EntryDraft {
  const { _unknownFields } = patch;
  const entry: Entry = { ...present, ...(_unknownFields && { _unknownFields }) };
  for (const field of fieldsOf(patch, mask)) Object.assign(entry, { [field]: patch[field] });
  const unknown = (mask ?? []).filter((path) => path !== '*' && ![...writable, ...setByServer].some(isField(path)));
  const violations = unknown.map((path) => ({
    field: 'update_mask',
    description: `${JSON.stringify(path)} is not a field of an entry`,
  }));
  return { entry, violations };
}

/** The fields that `mask` names, as in entry.proto; empty when it names all of them. */
export function namedFields(patch: Entry, mask: Mask): string[] {
  if (mask?.includes('*')) return [];
  return fieldsOf(patch, mask).map((field) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

function fieldsOf(patch: Entry, mask: Mask): readonly (typeof writable)[number][] {
  // `followLinks` has presence (proto3 optional), so false is set, too.
  if (mask === undefined)
    return writable.filter((field) => isSet(patch[field]) || (field === 'followLinks' && patch[field] === false));
  return mask.includes('*') ? writable : writable.filter((field) => mask.some((path) => isField(path)(field)));
}

/** Matches a field of a mask in the spelling of the proto or of JSON. */
export function isField(path: string): (field: string) => boolean {
  const camel = path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return (field) => field === path || field === camel;
}

function isSet(value: Entry[(typeof writable)[number]]): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' ? Object.keys(value).length > 0 : Boolean(value);
}
