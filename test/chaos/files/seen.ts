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
/** Below this limit, a file that has left the paths is closed within seconds. */
const DESCRIPTORS_SCARCE = 64;
/** It is closed when it was complete and quiet for 5 s, by the agent's clock. */
const RETIRED_AFTER_MS = 4_000;

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
    // Where a link leads is watched from the scan on that found the link.
    const hasLinks = ['latest', 'links', 'mixed'].includes(evidence.settings.layout);
    const least = hasLinks ? 1 : 0;
    this.#scans = fileSystem === 'overlay' ? SCANS_WITHOUT_EVENT : Math.max(scans, least);
  }

  /** Whether the line must be in the topic, or in a loss. */
  isDue(life: Life, line: Line): boolean {
    if (this.mayBeSkipped(life, line)) return false;
    const { endMs } = this.#evidence;
    const periods = this.#periods(life);
    if (periods.some(({ toMs }) => toMs > endMs) && line.atMs < endMs) return true;
    return periods.some((period) => this.#isSeenIn({ ...period, fromMs: Math.max(period.fromMs, line.atMs) }));
  }

  /** Whether the line may not be in the topic, because of `start: end`. */
  mayBeSkipped(life: Life, line: Line): boolean {
    return line.start < this.#skippedMax(life);
  }

  /**
   * Whether the line must not be in the topic: it was there when the entry came, with `start: end`.
   */
  isSkipped(life: Life, line: Line): boolean {
    const { settings, firstStartMs } = this.#evidence;
    // The process that was started first may not have scanned.
    const byMs = this.#scannedBy(firstStartMs);
    const wasThere = life.matched.some(({ fromMs, toMs }) => fromMs < firstStartMs && byMs < toMs);
    if (settings.start !== 'end' || !wasThere) return false;
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
    // It is searched in the folder in which the agent saw it. An empty file with the name of a copy
    // waits, and is not known.
    const known = life.near.filter(
      ({ sinceMs, fromMs }) => life.sizeAt(fromMs) > 0 && this.#isSeenIn({ fromMs: sinceMs, toMs: fromMs }),
    );
    const near = known.map((period) => this.#untilRetired(life, period));
    const all = [...life.matched, ...near.filter(({ toMs }) => toMs >= knownMs)].sort((a, b) => a.fromMs - b.fromMs);
    const joined: Period[] = [];
    for (const period of all) {
      const last = joined.at(-1);
      if (last && period.fromMs - last.toMs < 5) last.toMs = Math.max(last.toMs, period.toMs);
      else joined.push({ ...period });
    }
    return joined;
  }

  /** Until it was closed because it had not grown and others waited for its descriptor. */
  #untilRetired(life: Life, { fromMs, toMs }: Period): Period {
    if ((this.#evidence.settings.descriptors ?? Number.POSITIVE_INFINITY) > DESCRIPTORS_SCARCE) return { fromMs, toMs };
    let lastMs = fromMs;
    for (const grewMs of [...life.growthsIn(fromMs, toMs), toMs]) {
      if (grewMs - lastMs > RETIRED_AFTER_MS) return { fromMs, toMs: Math.min(toMs, lastMs + RETIRED_AFTER_MS) };
      lastMs = grewMs;
    }
    return { fromMs, toMs };
  }

  #isSeenIn({ fromMs, toMs }: Period): boolean {
    return this.#evidence.uptimes.some((up) => {
      // A process scans at its start.
      const slackMs = REACTION_MS + up.startupMs + (fromMs <= up.fromMs ? 0 : this.#scans * up.scanIntervalMs);
      return Math.min(toMs, up.toMs, this.#evidence.endMs) - Math.max(fromMs, up.fromMs) > slackMs;
    });
  }

  /**
   * With `start: end`, up to where a scan that had new globs may have begun to read: these are the
   * first ones, and those that a controller sent later.
   */
  #skippedMax(life: Life): number {
    const { settings, firstStartMs, globChangesMs } = this.#evidence;
    if (settings.start !== 'end') return 0;
    const skipped = [firstStartMs, ...globChangesMs].map((atMs) => {
      const byMs = this.#scannedBy(atMs);
      const isNew = life.matched.some(({ fromMs }) => fromMs < byMs) && !this.#isKnownAt(life, atMs);
      return isNew ? life.sizeAt(byMs) : 0;
    });
    return Math.max(...skipped);
  }

  #isKnownAt(life: Life, atMs: number): boolean {
    if ((this.#knownMs.get(life) ?? Number.POSITIVE_INFINITY) < atMs) return true;
    return life.matched.some(({ fromMs, toMs }) => this.#isSeenIn({ fromMs, toMs: Math.min(toMs, atMs) }));
  }

  /** When the first scan that began after a time, and was completed, must have ended. */
  #scannedBy(atMs: number): number {
    for (const { fromMs, toMs, startupMs } of this.#evidence.uptimes) {
      const byMs = Math.max(fromMs, atMs) + REACTION_MS + startupMs;
      if (byMs < Math.min(toMs, this.#evidence.endMs)) return byMs;
    }
    return Number.POSITIVE_INFINITY;
  }
}
