import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryDocument } from '../../proto/rules/entry-document.ts';
import type { FieldValues } from '../../proto/rules/entry-fields.ts';
import { withEntryDefaults } from '../../proto/rules/entry-rules.ts';

/**
 * The entry that `apply` makes of a document: the fields that the document names replace the stored
 * ones, as in a JSON merge patch (RFC 7396). The other fields stay as they are.
 */
export function mergeEntry(
  stored: Entry | undefined,
  { entry, namedFields }: Pick<EntryDocument, 'entry' | 'namedFields'>,
): Entry {
  if (!stored) return withEntryDefaults(entry);
  const given = Entry.toJSON(entry) as FieldValues;
  const named = Object.fromEntries(namedFields.map((field) => [field, given[field]]));
  return withEntryDefaults(Entry.fromJSON({ ...(Entry.toJSON(stored) as FieldValues), ...named }));
}
