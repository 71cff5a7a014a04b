import { isDeepStrictEqual } from 'node:util';
import { Entry } from '../gen/logfleet/v1/entry.ts';
import { EntryVersion } from '../gen/logfleet/v1/entry_version.ts';
import { contentFields } from './entry-document.ts';
import { withEntryDefaults } from './entry-rules.ts';

export type FieldValues = Readonly<Record<string, unknown>>;

/** An entry's fields as JSON values; a field at its default of Protocol Buffers is undefined. */
export function fieldValues(entry: Entry): FieldValues {
  // Agents of older versions refuse fields that they do not know, so this default is not stored.
  return Entry.toJSON({ ...withEntryDefaults(entry), followLinks: entry.followLinks ?? true }) as FieldValues;
}

/** The content fields in which two entries differ, by their names in entry.proto. */
export function differingFields(a: Entry, b: Entry): string[] {
  const [ofA, ofB] = [fieldValues(a), fieldValues(b)];
  return contentFields.filter((field) => !isDeepStrictEqual(ofA[field], ofB[field]));
}

/**
 * The version that gave the field its present value; undefined when it is not kept any more.
 * `versions`: the newest first.
 */
export function originOf(field: string, versions: readonly EntryVersion[]): EntryVersion | undefined {
  const index = versions.findIndex(({ entry, change }, at) => {
    const previous = versions[at + 1];
    if (change === 'CHANGE_CREATED' || previous?.change === 'CHANGE_DELETED') return true;
    return previous?.entry && entry && differingFields(previous.entry, entry).includes(field);
  });
  return versions[index];
}

/** Whether a command set single fields of the entry: a file always names `paths`. */
export function isByOperator({ namedFields }: EntryVersion = EntryVersion.create()): boolean {
  return namedFields.length > 0 && !namedFields.includes('paths');
}

/**
 * The version that is restored, with the pause and the limit that an operator has set for the
 * present entry and that the version does not have. `versions`: the newest first.
 */
export function restoreVersion(restored: Entry, present: Entry, versions: readonly EntryVersion[]): Entry {
  const [has, gets] = [fieldValues(present), fieldValues(restored)];
  const isKept = (field: 'paused' | 'max_bytes_per_second') =>
    has[field] !== undefined && gets[field] === undefined && isByOperator(originOf(field, versions));
  return {
    ...restored,
    ...(isKept('paused') && { paused: present.paused }),
    ...(isKept('max_bytes_per_second') && { maxBytesPerSecond: present.maxBytesPerSecond }),
  };
}
