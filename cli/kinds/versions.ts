import { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { age, word } from '../output/format.ts';
import type { View } from './kind.ts';

export const versionView: View<EntryVersion> = {
  singular: 'version',
  plural: 'versions',
  id: ({ revision }) => String(revision),
  document: (version) => EntryVersion.toJSON(version),
  columns: [
    { title: 'REVISION', value: ({ revision }) => String(revision) },
    { title: 'VERSION', value: ({ version }) => String(version) },
    { title: 'CHANGE', value: changeText },
    { title: 'AUTHOR', value: authorText },
    { title: 'AGE', value: ({ time }) => age(time) },
    { title: 'REASON', value: ({ changeReason }) => changeReason || '-' },
  ],
  wideColumns: [],
};

/** `Updated`, `Rolled-back to 12` */
function changeText({ change, rolledBackTo }: EntryVersion): string {
  return rolledBackTo > 0n ? `${word(change)} to ${rolledBackTo}` : word(change);
}

/** A question mark follows a name that no certificate has verified. */
function authorText({ author, authorAuthenticated }: EntryVersion): string {
  if (author === '') return '-';
  return authorAuthenticated ? author : `${author}?`;
}
