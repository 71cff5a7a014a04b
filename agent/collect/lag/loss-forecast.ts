import type { Deletion } from './rotations.ts';

/** What is behind by less is on its way. */
const LAG_MIN_MS = 5_000;

/** How far behind a file is, and how that goes on. */
export interface Behind {
  lagBytes: number;
  lagMs: number;
  /** Negative when it catches up; undefined when that is not known yet. */
  lagPerSecond: number | undefined;
}

/**
 * In how many seconds a file that is truncated now and then loses unread lines, if it goes on as it does; 0: none is forecast. It is truncated
 * again after as long as it took on average, by what was seen: twice at least. When that is late it may be at any moment, until it is so late
 * that nobody can say.
 */
export function beforeTruncation(behind: Behind, times: readonly number[], nowMs: number): number {
  const intervalMs = meanInterval(times);
  const last = times.at(-1);
  if (!isFalling(behind) || intervalMs === undefined || last === undefined || nowMs > last + 2 * intervalMs) return 0;
  const leftMs = Math.max(0, last + intervalMs - nowMs);
  const unread = behind.lagBytes + (behind.lagPerSecond * leftMs) / 1000;
  return unread > 0 ? inSeconds(leftMs) : 0;
}

/**
 * The same for a file that was deleted and is read on through its descriptor: it is given up when deleted files hold more than they may. They
 * have `room` for so many bytes more, and come as fast as those that were seen.
 */
export function beforeGivenUp(behind: Behind, deletions: readonly Deletion[], room: number, nowMs: number): number {
  const times = deletions.map(({ timeMs }) => timeMs);
  const intervalMs = meanInterval(times);
  const last = times.at(-1);
  if (!isFalling(behind) || intervalMs === undefined || last === undefined || nowMs > last + 2 * intervalMs) return 0;
  const bytesEach = deletions.reduce((sum, { bytes }) => sum + bytes, 0) / deletions.length;
  const fullMs = (Math.max(0, room) / bytesEach) * intervalMs;
  const readMs = behind.lagPerSecond < 0 ? (behind.lagBytes / -behind.lagPerSecond) * 1000 : Number.POSITIVE_INFINITY;
  return Number.isFinite(fullMs) && readMs > fullMs ? inSeconds(fullMs) : 0;
}

function isFalling(behind: Behind): behind is Behind & { lagPerSecond: number } {
  return behind.lagBytes > 0 && behind.lagMs >= LAG_MIN_MS && behind.lagPerSecond !== undefined;
}

/** Between those that were seen; undefined when there are not two, or they were all at once. */
function meanInterval(times: readonly number[]): number | undefined {
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined || last === first) return undefined;
  return (last - first) / (times.length - 1);
}

/** Never 0, which says that none is forecast. */
function inSeconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}
