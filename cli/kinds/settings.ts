import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { formatByteRate } from '../../runtime/units.ts';
import { age } from '../output/format.ts';
import { getSettings, listSettings } from '../rpc/settings.ts';
import type { Kind } from './kind.ts';

export const settings: Kind<AgentSettings> = {
  singular: 'settings',
  plural: 'settings',
  summary: 'what operators have set for an agent: pause, limit and drain',
  filters: ['names'],
  id: agentOf,
  document: (item) => AgentSettings.toJSON(item),
  get: getSettings,
  list: listSettings,
  columns: [
    { title: 'AGENT', value: agentOf },
    { title: 'PAUSED', value: pausedText },
    { title: 'LIMIT', value: ({ maxBytesPerSecond }) => rateText(maxBytesPerSecond) },
    { title: 'DRAINING', value: ({ draining }) => (draining ? 'yes' : 'no') },
    { title: 'AUTHOR', value: ({ author }) => author || '-' },
    { title: 'AGE', value: ({ updateTime }) => age(updateTime) },
    { title: 'REASON', value: ({ reason }) => reason.replaceAll(/\s+/g, ' ') || '-' },
  ],
  wideColumns: [{ title: 'REVISION', value: ({ etag }) => etagRevision(etag) || '-' }],
};

/** One line for `describe agent`; empty when nothing is set. */
export function settingsText(item: AgentSettings): string {
  const { paused, pausedEntries, maxBytesPerSecond, draining, author, updateTime, reason } = item;
  const parts = [
    paused || pausedEntries.length > 0 ? `paused: ${pausedText(item)}` : '',
    maxBytesPerSecond > 0n ? `at most ${rateText(maxBytesPerSecond)}` : '',
    draining ? 'draining' : '',
  ].filter(Boolean);
  if (parts.length === 0) return '';
  const because = reason === '' ? '' : `: ${reason}`;
  return `${parts.join(', ')} (${author || 'unknown author'}, ${age(updateTime)} ago${because})`;
}

/** `1.0 MiB/s`, or `none` */
export function rateText(bytesPerSecond: bigint): string {
  return bytesPerSecond === 0n ? 'none' : formatByteRate(bytesPerSecond);
}

function pausedText({ paused, pausedEntries }: AgentSettings): string {
  if (paused) return 'all';
  return pausedEntries.map(shortEntryName).join(',') || 'no';
}

/** `agents/web-17/settings` → `web-17` */
function agentOf({ name }: AgentSettings): string {
  return shortAgentName(name).replace(/\/settings$/, '');
}
