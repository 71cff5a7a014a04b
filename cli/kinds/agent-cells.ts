import type { Agent, AgentHealth, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { formatByteSize } from '../../runtime/units.ts';
import { count, word } from '../output/format.ts';

/** A larger difference is marked, because times of events are then misleading. */
const SKEW_MARKED_MS = 5_000;

/**
 * The agent in one word. A connected agent is `Failing` when a file, an entry or the agent itself
 * reports an error, else `Draining`, `Drained`, `Paused` when it reads no entry, or `Live`. Others
 * are `Stopped` or `Lost`.
 */
export function agentStatus({ liveness, health, entries }: Agent): string {
  if (liveness !== 'LIVENESS_LIVE') return word(liveness);
  const isFailing = entries.some(({ state, failedFiles }) => state === 'STATE_FAILED' || failedFiles > 0);
  if (health?.error || isFailing) return 'Failing';
  if (health?.drain) return word(health.drain.state);
  const isPaused = entries.length > 0 && entries.every(({ state }) => state === 'STATE_PAUSED');
  return isPaused ? 'Paused' : word(liveness);
}

/** The health of a connected agent: one that is not connected has no rates. */
export function liveHealth({ liveness, health }: Agent): AgentHealth | undefined {
  return liveness === 'LIVENESS_LIVE' ? health : undefined;
}

/** Processor use in cores: `0.25`. */
export function cores({ cpuCores }: AgentHealth): string {
  return cpuCores.toFixed(2);
}

/** Open file descriptors and their limit: `57/1024`. */
export function descriptors({ openDescriptors: open, descriptorsMax: max }: AgentHealth): string {
  if (open === 0) return '-';
  return max > 0 ? `${open}/${max}` : String(open);
}

/**
 * How far an agent's clock is ahead (`+0.1s`) or behind (`-3600.0s`), marked when it is far off.
 */
export function clockSkew({ health, clockSkewMs }: Agent): string {
  if (!health) return '-';
  const text = `${clockSkewMs < 0n ? '' : '+'}${(Number(clockSkewMs) / 1000).toFixed(1)}s`;
  return Math.abs(Number(clockSkewMs)) > SKEW_MARKED_MS ? `${text} (!)` : text;
}

/** `3`, or `3 (1 failing)`. */
export function fileCount({ files, failedFiles }: EntryStatus): string {
  return failedFiles > 0 ? `${files} (${failedFiles} failing)` : String(files);
}

/** `Applied`; `Applied, limited` while the rate limit holds the agent back. */
export function stateText({ state, limited }: EntryStatus): string {
  return limited ? `${word(state)}, limited` : word(state);
}

/** Bytes and the number of losses: `1.2 KiB in 3`, or `0 B`. */
export function lostText({ lostBytes, losses }: EntryStatus): string {
  return losses > 0n ? `${formatByteSize(lostBytes)} in ${count(losses)}` : formatByteSize(lostBytes);
}

/** `env=prod,role=web` */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.sort().join(',') || '<none>';
}
