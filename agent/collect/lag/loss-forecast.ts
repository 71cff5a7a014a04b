import type { Deletion } from './rotations.ts';

/** A smaller lag is normal delivery. */
const LAG_MIN_MS = 5_000;

/** How far behind a file is, and how fast that changes. */
export interface LagTrend {
  lagBytes: number;
  lagMs: number;
  /** Bytes per second; negative when it catches up. undefined: not known yet. */
  lagPerSecond: number | undefined;
}

/**
 * In how many seconds a file that is truncated regularly will lose unread lines, at its present
 * rates; 0: no loss is forecast. The next truncation is expected after the mean interval of `times`
 * (at least two, monotonic ms). If it is overdue, it is expected at any moment; if it is overdue by
 * a whole interval, nothing is forecast.
 */
export function secondsUntilTruncationLoss(behind: LagTrend, times: readonly number[], nowMs: number): number {
  const intervalMs = meanInterval(times);
  const last = times.at(-1);
  if (!isFallingBehind(behind) || intervalMs === undefined || last === undefined || nowMs > last + 2 * intervalMs)
    return 0;
  const leftMs = Math.max(0, last + intervalMs - nowMs);
  const unread = behind.lagBytes + (behind.lagPerSecond * leftMs) / 1000;
  return unread > 0 ? inSeconds(leftMs) : 0;
}

/**
 * The same for a deleted file that is still read through its descriptor. It is given up when
 * deleted files hold more than they may: `room` more bytes, which fill up as fast as `deletions`
 * did.
 */
export function secondsUntilBudgetLoss(
  behind: LagTrend,
  deletions: readonly Deletion[],
  room: number,
  nowMs: number,
): number {
  const times = deletions.map(({ timeMs }) => timeMs);
  const intervalMs = meanInterval(times);
  const last = times.at(-1);
  if (!isFallingBehind(behind) || intervalMs === undefined || last === undefined || nowMs > last + 2 * intervalMs)
    return 0;
  const bytesEach = deletions.reduce((sum, { bytes }) => sum + bytes, 0) / deletions.length;
  const fullMs = (Math.max(0, room) / bytesEach) * intervalMs;
  const readMs = behind.lagPerSecond < 0 ? (behind.lagBytes / -behind.lagPerSecond) * 1000 : Number.POSITIVE_INFINITY;
  return Number.isFinite(fullMs) && readMs > fullMs ? inSeconds(fullMs) : 0;
}

function isFallingBehind(behind: LagTrend): behind is LagTrend & { lagPerSecond: number } {
  return behind.lagBytes > 0 && behind.lagMs >= LAG_MIN_MS && behind.lagPerSecond !== undefined;
}

/**
 * The mean interval between `times`; undefined if there are fewer than two, or all are the same.
 */
function meanInterval(times: readonly number[]): number | undefined {
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined || last === first) return undefined;
  return (last - first) / (times.length - 1);
}

/** Never 0, which means that no loss is forecast. */
function inSeconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}
