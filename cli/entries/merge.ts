import { isDeepStrictEqual } from 'node:util';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { contentFields, type EntryDocument } from '../../proto/rules/entry-document.ts';
import { withEntryDefaults } from '../../proto/rules/entry-rules.ts';

type Values = Readonly<Record<string, unknown>>;

/**
 * The entry that `apply` makes of a document: the fields that the document names replace the stored
 * ones, as in a JSON merge patch (RFC 7396). The other fields stay as they are.
 */
export function mergeEntry(
  stored: Entry | undefined,
  { entry, namedFields }: Pick<EntryDocument, 'entry' | 'namedFields'>,
): Entry {
  if (!stored) return withEntryDefaults(entry);
  const given = Entry.toJSON(entry) as Values;
  const named = Object.fromEntries(namedFields.map((field) => [field, given[field]]));
  return withEntryDefaults(Entry.fromJSON({ ...(Entry.toJSON(stored) as Values), ...named }));
}

/** The content fields in which two entries differ, by their names in entry.proto. */
export function differingFields(a: Entry, b: Entry): string[] {
  const [ofA, ofB] = [fieldValues(a), fieldValues(b)];
  return contentFields.filter((field) => !isDeepStrictEqual(ofA[field], ofB[field]));
}

/** An entry's fields as JSON values; a field at its default of Protocol Buffers is undefined. */
export function fieldValues(entry: Entry): Values {
  // Agents of older versions refuse fields that they do not know, so this default is not stored.
  return Entry.toJSON({ ...withEntryDefaults(entry), followLinks: entry.followLinks ?? true }) as Values;
}
