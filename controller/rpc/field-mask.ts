import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { invalidArgument } from '../api-error.ts';

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
  'paused',
  'owner',
  'description',
  'labels',
] as const;
const byServer = ['name', 'uid', 'etag', 'createTime', 'updateTime', 'topicStatus'] as const;

/**
 * `former` with the fields of `patch` that `mask` names (AIP-134): no mask means every field that is set, `*` all. Fields of the server's are
 * passed over. Throws INVALID_ARGUMENT for a path that is no field.
 */
export function applyMask(former: Entry, patch: Entry, mask: readonly string[] | undefined): Entry {
  const changed = { ...former };
  const unknown = patch._unknownFields;
  const fields = mask === undefined ? writable.filter((field) => isSet(patch[field])) : named(mask);
  for (const field of fields) Object.assign(changed, { [field]: patch[field] });
  return unknown ? { ...changed, _unknownFields: unknown } : changed;
}

function named(mask: readonly string[]): readonly (typeof writable)[number][] {
  if (mask.includes('*')) return writable;
  const violations = mask
    .filter((path) => ![...writable, ...byServer].some((field) => matches(path, field)))
    .map((path) => ({ field: 'update_mask', description: `${JSON.stringify(path)} is not a field of an entry` }));
  if (violations.length > 0) throw invalidArgument(violations);
  return writable.filter((field) => mask.some((path) => matches(path, field)));
}

/** Masks come in the proto's spelling, or in JSON's. */
function matches(path: string, field: string): boolean {
  return path === field || path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) === field;
}

function isSet(value: Entry[(typeof writable)[number]]): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' ? Object.keys(value).length > 0 : Boolean(value);
}
