import { Fact, type Loss } from '../../proto/gen/logfleet/v1/fact.ts';
import { agentName, entryName, shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { age, word } from '../output/format.ts';
import { listLosses } from '../rpc/lists.ts';
import type { Kind } from './kind.ts';

export const losses: Kind<Fact> = {
  singular: 'loss',
  plural: 'losses',
  summary: 'bytes of files that can never be delivered, and why',
  filters: ['selector', 'agent', 'entry'],
  id: ({ id }) => id,
  document: (fact) => Fact.toJSON(fact),
  list: (api, { selector: labelSelector = '', agent, entry }) =>
    listLosses(api, { labelSelector, agent: agent ? agentName(agent) : '', entry: entry ? entryName(entry) : '' }),
  columns: [
    { title: 'AGENT', value: ({ agent }) => shortAgentName(agent) },
    { title: 'ENTRY', value: ({ entry }) => shortEntryName(entry) },
    { title: 'PATH', value: ({ path }) => path },
    { title: 'GENERATION', value: ({ generation }) => generation },
    { title: 'RANGE', value: lossCell(({ start, end, openEnded }) => `${start}-${end}${openEnded ? '+' : ''}`) },
    { title: 'BYTES', value: lossCell(({ bytes }) => String(bytes)) },
    { title: 'REASON', value: lossCell(({ reason }) => word(reason)) },
    { title: 'AGE', value: ({ time }) => age(time) },
  ],
  wideColumns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'TIME', value: ({ time }) => time?.toISOString() ?? '-' },
  ],
};

function lossCell(value: (loss: Loss) => string): (fact: Fact) => string {
  return ({ kind }) => (kind?.$case === 'loss' ? value(kind.value) : '-');
}
