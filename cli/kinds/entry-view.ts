import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryToDocument } from '../../proto/rules/entry-document.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { shortEntryName } from '../../proto/rules/names.ts';
import { age, word } from '../output/format.ts';
import { labelsText } from './agent-cells.ts';
import type { View } from './kind.ts';

export const entryView: View<Entry> = {
  singular: 'entry',
  plural: 'entries',
  id: ({ name }) => shortEntryName(name),
  document: entryToDocument,
  columns: [
    { title: 'NAME', value: ({ name }) => shortEntryName(name) },
    { title: 'TOPIC', value: ({ topic }) => topic },
    { title: 'PATHS', value: ({ paths }) => firstOf(paths) },
    { title: 'SELECTOR', value: ({ selector }) => selector || '<all>' },
    { title: 'PAUSED', value: ({ paused }) => (paused ? 'yes' : 'no') },
    { title: 'TOPIC-STATUS', value: ({ topicStatus }) => word(topicStatus?.state ?? 'STATE_PENDING') },
    { title: 'AGE', value: ({ createTime }) => age(createTime) },
  ],
  wideColumns: [
    { title: 'START', value: ({ start }) => start },
    { title: 'COMPRESSION', value: ({ compression }) => compression },
    { title: 'HEADERS', value: ({ headers }) => headers },
    { title: 'ENCODING', value: ({ encoding }) => encoding },
    { title: 'OWNER', value: ({ owner }) => owner || '-' },
    { title: 'REVISION', value: ({ etag }) => etagRevision(etag) },
    { title: 'UPDATED', value: ({ updateTime }) => age(updateTime) },
    { title: 'LABELS', value: ({ labels }) => labelsText(labels) },
  ],
};

/** `/var/log/db/*.log +1` */
function firstOf(paths: readonly string[]): string {
  const [first = '', ...rest] = paths;
  return rest.length > 0 ? `${first} +${rest.length}` : first;
}
