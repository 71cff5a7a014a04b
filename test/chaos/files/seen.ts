import type { Evidence } from './evidence.ts';
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
  readonly #slackMs: number;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    const { scanIntervalMs, fileSystem, descriptors } = evidence.settings;
    const scans =
      fileSystem === 'overlay'
        ? SCANS_WITHOUT_EVENT
        : (descriptors ?? Infinity) < DESCRIPTORS_AMPLE
          ? SCANS_OF_TURNS
          : 1;
    this.#slackMs = scans * scanIntervalMs + REACTION_MS;
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
    if (settings.start !== 'end' || life.bornAtMs >= firstStartMs || !this.#wasThereAtFirst(life)) return false;
    return line.end <= life.sizeAt(firstStartMs);
  }

  /** Whether the agent could read the life at a time, for long enough to have noticed it. */
  existsAt(life: Life, atMs: number): boolean {
    return this.#periods(life).some(({ fromMs, toMs }) => fromMs + this.#slackMs < atMs && atMs + REACTION_MS < toMs);
  }

  /** When it was matched; once it was seen, also when it lay where it had been matched. */
  #periods(life: Life): Period[] {
    const known = life.matched.find((period) => this.#isSeenIn(period));
    if (!known) return life.matched;
    const all = [...life.matched, ...life.near.filter(({ fromMs }) => fromMs >= known.fromMs)].sort(
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
      const overlapMs = Math.min(toMs, up.toMs, this.#evidence.endMs) - Math.max(fromMs, up.fromMs);
      return overlapMs > this.#slackMs + up.startupMs;
    });
  }

  /** With `start: end`, up to where the first scan may have begun to read. */
  #skippedMax(life: Life): number {
    const { settings, uptimes, endMs } = this.#evidence;
    if (settings.start !== 'end' || !this.#wasThereAtFirst(life)) return 0;
    const first = uptimes.find(
      ({ fromMs, toMs, startupMs }) => Math.min(toMs, endMs) - fromMs > this.#slackMs + startupMs,
    );
    return first ? life.sizeAt(first.fromMs + this.#slackMs + first.startupMs) : life.size;
  }

  /** Whether it may have existed within the globs at the first scan that was completed. */
  #wasThereAtFirst(life: Life): boolean {
    const { uptimes, endMs } = this.#evidence;
    const first = uptimes.find(
      ({ fromMs, toMs, startupMs }) => Math.min(toMs, endMs) - fromMs > this.#slackMs + startupMs,
    );
    const byMs = first ? first.fromMs + this.#slackMs + first.startupMs : Number.POSITIVE_INFINITY;
    return life.matched.some(({ fromMs }) => fromMs < byMs);
  }
}
