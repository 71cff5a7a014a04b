import { formatDuration } from '../../runtime/units.ts';

const NAMED_MAX = 3;

/** `1,234` */
export function count(value: number | bigint): string {
  return Math.round(Number(value)).toLocaleString('en-US');
}

/** How long ago, as kubectl writes it: `5s`, `3m`, `2h`, `4d`; `-` when the time is unknown. */
export function age(time: Date | undefined, nowMs = Date.now()): string {
  return time ? formatDuration((nowMs - time.getTime()) / 1000) : '-';
}

/** The first names, and how many more there are. */
export function shortList(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return more > 0 ? `${names.slice(0, NAMED_MAX).join(', ')} and ${more} more` : names.join(', ');
}

/** `STATE_APPLIED` → `Applied`, `REASON_TOO_LONG` → `Too-long` */
export function word(value: string): string {
  const last = value
    .replace(/^(STATE|LIVENESS|KIND|REASON|CHANGE)_/, '')
    .replaceAll('_', '-')
    .toLowerCase();
  return last.charAt(0).toUpperCase() + last.slice(1);
}

/**
 * Replaces control characters other than tabs and line feeds. Names and lines that others chose
 * must not control the terminal.
 */
export function harmless(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]/gu, '\uFFFD');
}
