import type { Clock } from '../../../runtime/clock.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { Backlog } from './backlog.ts';
import { RateMeter } from './rate-meter.ts';

/** Reading is bursty, so a forecast needs a longer past than a rate. */
const TREND_WINDOW_MS = 10_000;

/**
 * How fast one file grows and is acknowledged, and since when it has unread bytes. Created when the
 * file first grows or is read: most files are idle.
 */
export class Pace {
  readonly #sinceMs: number;
  readonly #rate = new RateMeter();
  readonly #lagTrend = new RateMeter(TREND_WINDOW_MS);
  /** Set while there are unread bytes. */
  #backlog: Backlog | undefined;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Notes that the file grew by `bytes`, to `end`. */
  fileGrew(bytes: number, end: number, nowMs: number): void {
    this.#lagTrend.add(bytes, nowMs);
    this.behindSince(end, nowMs);
  }

  /** Notes that there are unread bytes up to `end` since `timeMs`, monotonic. */
  behindSince(end: number, timeMs: number): void {
    this.#backlog ??= new Backlog();
    this.#backlog.fileGrew(end, timeMs);
  }

  /** Notes that `bytes` were acknowledged. `isAll`: no others are left. */
  acknowledged(bytes: number, nowMs: number, isAll: boolean): void {
    this.#rate.add(bytes, nowMs);
    this.#lagTrend.add(-bytes, nowMs);
    if (isAll) this.#backlog = undefined;
  }

  bytesPerSecond(nowMs: number): number {
    return this.#rate.perSecond(nowMs);
  }

  /** For how long the oldest byte after `position` has been known, ms. */
  lagMs(position: number, nowMs: number): number {
    const since = this.#backlog?.sinceMs(position);
    return since === undefined ? 0 : Math.max(0, nowMs - since);
  }

  /**
   * How fast the lag grows, bytes per second; negative when it shrinks. undefined: not known yet.
   */
  lagPerSecond(nowMs: number): number | undefined {
    return nowMs - this.#sinceMs < TREND_WINDOW_MS ? undefined : this.#lagTrend.perSecond(nowMs);
  }
}

/**
 * The pace of a file that has unread bytes when it is first opened; undefined if it has none. The
 * bytes get the greatest age that they can have: the file's, or, if a previous process had read
 * everything, that of the last change which it saw.
 */
export function paceWithBacklog(
  checkpoint: Checkpoint,
  position: number,
  size: number,
  clock: Clock,
): Pace | undefined {
  if (size <= position) return undefined;
  const { birthMs, ctimeNs } = checkpoint;
  const wasRead = ctimeNs > 0n && checkpoint.position >= checkpoint.size;
  const sinceMs = wasRead ? Number(ctimeNs / 1_000_000n) : birthMs;
  const nowMs = clock.monotonicMs();
  const pace = new Pace(nowMs);
  pace.behindSince(size, sinceMs > 0 ? nowMs - Math.max(0, clock.nowMs() - sinceMs) : nowMs);
  return pace;
}
