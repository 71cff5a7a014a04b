import type { Clock } from '../../../runtime/clock.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { Backlog } from './backlog.ts';
import { RateMeter } from './rate-meter.ts';

/** Reading goes in bursts: what is to be said of the future goes by more of the past. */
const TREND_WINDOW_MS = 10_000;

/** How fast one file grows and is read, and since when it has unread bytes. Made when it first does either: most files are idle. */
export class Pace {
  readonly #sinceMs: number;
  readonly #rate = new RateMeter();
  readonly #lagTrend = new RateMeter(TREND_WINDOW_MS);
  /** While there are unread bytes. */
  #backlog: Backlog | undefined;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** The file has so many bytes more, up to `end`. */
  grew(bytes: number, end: number, nowMs: number): void {
    this.#lagTrend.add(bytes, nowMs);
    this.behindSince(end, nowMs);
  }

  /** It has unread bytes, up to `end`, since `timeMs`. */
  behindSince(end: number, timeMs: number): void {
    this.#backlog ??= new Backlog();
    this.#backlog.grew(end, timeMs);
  }

  /** So many bytes were acknowledged; `isAll`: there are no others. */
  acknowledged(bytes: number, nowMs: number, isAll: boolean): void {
    this.#rate.add(bytes, nowMs);
    this.#lagTrend.add(-bytes, nowMs);
    if (isAll) this.#backlog = undefined;
  }

  bytesPerSecond(nowMs: number): number {
    return this.#rate.perSecond(nowMs);
  }

  /** For how long the oldest byte behind `position` has been known. */
  lagMs(position: number, nowMs: number): number {
    const since = this.#backlog?.sinceMs(position);
    return since === undefined ? 0 : Math.max(0, nowMs - since);
  }

  /** How fast the lag grows, in bytes per second, negative when it shrinks; undefined as long as that can't be said. */
  lagPerSecond(nowMs: number): number | undefined {
    return nowMs - this.#sinceMs < TREND_WINDOW_MS ? undefined : this.#lagTrend.perSecond(nowMs);
  }
}

/**
 * The pace of a file that has unread bytes when it is met. They are as old as they can be: written after the file was made, and, when
 * nothing was unread at a former process's last look, after the change that it saw then.
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
