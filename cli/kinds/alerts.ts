import { Alert } from '../../proto/gen/logfleet/v1/alert.ts';
import { agentName, entryName, shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { age, word } from '../output/format.ts';
import { listAlerts } from '../rpc/lists.ts';
import type { Kind } from './kind.ts';

export const alerts: Kind<Alert> = {
  singular: 'alert',
  plural: 'alerts',
  summary: 'conditions that the controllers report, such as a large lag',
  filters: ['agent', 'entry'],
  id: ({ id }) => id,
  document: (alert) => Alert.toJSON(alert),
  list: async (api, { agent, entry }) => {
    const isWanted = ({ condition }: Alert) =>
      (agent === undefined || condition?.agent === agentName(agent)) &&
      (entry === undefined || condition?.entry === entryName(entry));
    return (await listAlerts(api)).filter(isWanted);
  },
  columns: [
    { title: 'RULE', value: ({ condition }) => condition?.rule ?? '-' },
    { title: 'STATE', value: ({ state }) => word(state) },
    { title: 'AGENT', value: ({ condition }) => (condition ? shortAgentName(condition.agent) : '-') },
    { title: 'ENTRY', value: ({ condition }) => shortEntryName(condition?.entry ?? '') || '-' },
    { title: 'SINCE', value: ({ startTime }) => age(startTime) },
    { title: 'DELIVERED', value: ({ delivered }) => (delivered ? 'yes' : 'no') },
    { title: 'WHAT', value: ({ condition }) => condition?.summary ?? '-' },
  ],
  wideColumns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'TIME', value: ({ startTime }) => startTime?.toISOString() ?? '-' },
  ],
};
