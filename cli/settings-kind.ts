import { AgentSettings } from '../proto/gen/logfleet/v1/agent_settings.ts';
import { age, size } from './format.ts';
import type { Kind } from './output.ts';

export const settingsKind: Kind<AgentSettings> = {
  singular: 'settings',
  plural: 'settings',
  id: agentOf,
  document: (settings) => AgentSettings.toJSON(settings),
  columns: [
    { title: 'AGENT', value: agentOf },
    { title: 'PAUSED', value: pausedText },
    { title: 'LIMIT', value: ({ maxBytesPerSecond }) => rateText(maxBytesPerSecond) },
    { title: 'DRAINING', value: ({ draining }) => (draining ? 'yes' : 'no') },
    { title: 'AUTHOR', value: ({ author }) => author || '-' },
    { title: 'AGE', value: ({ updateTime }) => age(updateTime) },
    { title: 'REASON', value: ({ reason }) => reason.replaceAll(/\s+/g, ' ') || '-' },
  ],
  wideColumns: [{ title: 'REVISION', value: ({ etag }) => etag || '-' }],
};

/** One line; empty when nothing is set. */
export function settingsText(settings: AgentSettings): string {
  const { paused, pausedEntries, maxBytesPerSecond, draining, author, updateTime, reason } = settings;
  const what = [
    paused || pausedEntries.length > 0 ? `paused: ${pausedText(settings)}` : '',
    maxBytesPerSecond > 0n ? `at most ${rateText(maxBytesPerSecond)}` : '',
    draining ? 'to be drained' : '',
  ].filter(Boolean);
  if (what.length === 0) return '';
  return `${what.join(', ')} (${author || 'somebody'}, ${age(updateTime)} ago${reason === '' ? '' : `: ${reason}`})`;
}

/** `1.0 MiB/s`, or `none` */
export function rateText(bytes: bigint): string {
  return bytes === 0n ? 'none' : `${size(bytes)}/s`;
}

function pausedText({ paused, pausedEntries }: AgentSettings): string {
  if (paused) return 'all';
  return pausedEntries.map((name) => name.replace(/^entries\//, '')).join(',') || 'no';
}

function agentOf({ name }: AgentSettings): string {
  return name.replace(/^agents\//, '').replace(/\/settings$/, '');
}
