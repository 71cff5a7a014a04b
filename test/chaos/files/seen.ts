import type { Evidence } from './evidence.ts';
import type { Generation } from './generations.ts';
import type { Life, Line, Period } from './life.ts';

/** How long a settled machine may take between a change and the agent's observation of it, ms. */
const REACTION_MS = 2_500;
/** A change without a file event is found by the sixth scan at the latest. */
const SCANS_WITHOUT_EVENT = 6;
/** How many scans it takes to take turns when there are too few descriptors. */
const SCANS_OF_TURNS = 3;
/** Below this limit of open files, some files are closed. */
const DESCRIPTORS_AMPLE = 256;

/**
 * Answers what the agent must have seen, from the times at which it ran and at which files lay
 * where.
 */
export class Sightings {
  readonly #evidence: Evidence;
  /** How many scans may pass before a change is observed. */
  readonly #scans: number;

  /**
   * When the agent read a line of each life first, ms, monotonic. It knows the life from then on.
   */
  readonly #knownMs = new Map<Life, number>();

  constructor(evidence: Evidence, generations: readonly Generation[]) {
    this.#evidence = evidence;
    for (const { life, records } of generations) {
      if (!life) continue;
      const readMs = Math.min(...records.map(({ record }) => record.timestampMs - evidence.toUnixMs));
      this.#knownMs.set(life, Math.min(this.#knownMs.get(life) ?? Number.POSITIVE_INFINITY, readMs));
    }
    const { fileSystem, descriptors = Number.POSITIVE_INFINITY } = evidence.settings;
    // Each change on another file system has a file event.
    const scans = descriptors < DESCRIPTORS_AMPLE ? SCANS_OF_TURNS : 0;
    this.#scans = fileSystem === 'overlay' ? SCANS_WITHOUT_EVENT : scans;
  }

  /** Whether the line must be in the topic, or in a loss. */
  isDue(life: Life, line: Line): boolean {
    if (line.start < this.#skippedMax(life)) return false;
    // A copy continues its original, which may have begun at its end.
    if (life.copyOf && line.start < Math.min(life.copyOf.size, this.#skippedMax(life.copyOf.life))) return false;
    const { endMs } = this.#evidence;
    const periods = this.#periods(life);
    if (periods.some(({ toMs }) => toMs > endMs) && line.atMs < endMs) return true;
    return periods.some((period) => this.#isSeenIn({ ...period, fromMs: Math.max(period.fromMs, line.atMs) }));
  }

  /**
   * Whether the line must not be in the topic: it was there when the entry came, with `start: end`.
   */
  isSkipped(life: Life, line: Line): boolean {
    const { settings, firstStartMs } = this.#evidence;
    if (settings.start !== 'end' || !life.matched.some(({ fromMs }) => fromMs < firstStartMs)) return false;
    return line.end <= life.sizeAt(firstStartMs);
  }

  /**
   * Whether the life lay where the agent searches when it decided, at a time, that it has vanished.
   */
  existsAt(life: Life, atMs: number): boolean {
    const sinceMs = this.#evidence.uptimes.findLast(({ fromMs }) => fromMs < atMs)?.fromMs ?? atMs;
    return this.#periods(life).some((period) => {
      const before = { fromMs: period.fromMs, toMs: Math.min(atMs, period.toMs) };
      return atMs + REACTION_MS < period.toMs && (period.fromMs < sinceMs || this.#isSeenIn(before));
    });
  }

  /** When it was matched; once it was seen, also when it lay where it had been matched. */
  #periods(life: Life): Period[] {
    const seen = life.matched.find((period) => this.#isSeenIn(period))?.fromMs ?? Number.POSITIVE_INFINITY;
    const knownMs = Math.min(seen, this.#knownMs.get(life) ?? Number.POSITIVE_INFINITY);
    if (knownMs === Number.POSITIVE_INFINITY) return life.matched;
    const all = [...life.matched, ...life.near.filter(({ toMs }) => toMs >= knownMs)].sort(
      (a, b) => a.fromMs - b.fromMs,
    );
    const joined: Period[] = [];
    for (const period of all) {
      const last = joined.at(-1);
      if (last && period.fromMs - last.toMs < 5) last.toMs = Math.max(last.toMs, period.toMs);
      else joined.push({ ...period });
    }
    return joined;
  }

  #isSeenIn({ fromMs, toMs }: Period): boolean {
    return this.#evidence.uptimes.some((up) => {
      // A process scans at its start.
      const slackMs = REACTION_MS + up.startupMs + (fromMs <= up.fromMs ? 0 : this.#scans * up.scanIntervalMs);
      return Math.min(toMs, up.toMs, this.#evidence.endMs) - Math.max(fromMs, up.fromMs) > slackMs;
    });
  }

  /** With `start: end`, up to where the first scan may have begun to read. */
  #skippedMax(life: Life): number {
    if (this.#evidence.settings.start !== 'end') return 0;
    const byMs = this.#firstScanMs();
    return life.matched.some(({ fromMs }) => fromMs < byMs) ? life.sizeAt(byMs) : 0;
  }

  /** When the first scan that was completed must have ended. */
  #firstScanMs(): number {
    for (const { fromMs, toMs, startupMs } of this.#evidence.uptimes) {
      const byMs = fromMs + REACTION_MS + startupMs;
      if (byMs < Math.min(toMs, this.#evidence.endMs)) return byMs;
    }
    return Number.POSITIVE_INFINITY;
  }
}
