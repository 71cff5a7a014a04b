import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryName } from '../../proto/rules/names.ts';
import { Table } from '../output/table.ts';
import { listEntries, listEntryStates } from '../rpc/lists.ts';
import { describeEntry } from './describe-entry.ts';
import { wideColumns, withStates } from './entry-states.ts';
import { entryView } from './entry-view.ts';
import type { Kind } from './kind.ts';

export const entries: Kind<Entry> = {
  ...entryView,
  summary: 'what is collected: paths, topic and the agents that match',
  filters: ['names', 'watch', 'selector'],
  get: (api, name) => api.call((options) => api.entries.getEntry({ name: entryName(name) }, options)),
  list: (api, { selector: labelSelector = '' }) => listEntries(api, { labelSelector }),
  watch: async function* (api, name, { selector: labelSelector = '' }) {
    const request = { name: name && entryName(name), labelSelector };
    for await (const { kind, entry } of api.follow(api.entries.watchEntries(request)))
      yield entry && { item: entry, isDeleted: kind === 'KIND_DELETED' };
  },
  describe: describeEntry,
  renderWide: async (api, items, { names, selector: labelSelector = '' }) => {
    const which = names.length > 0 ? { entries: items.map(({ name }) => name) } : { labelSelector };
    return new Table(wideColumns).render(withStates(items, await listEntryStates(api, which)));
  },
};
