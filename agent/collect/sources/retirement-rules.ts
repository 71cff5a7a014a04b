import type { Rotations } from '../lag/rotations.ts';
import type { DeletedFileBudget } from './deleted-file-budget.ts';
import type { EndedFiles } from './ended-files.ts';
import type { KnownFiles } from './known-files.ts';
import type { Source } from './source.ts';
import type { SourceSetTools } from './source-set-tools.ts';
import type { TrackedSources } from './tracked-sources.ts';

/** How long a file that has left its path is kept open after it last grew, for writers that have not noticed. */
export const RENAMED_GRACE_MS = 5 * 60_000;
const UNLINKED_GRACE_MS = 5_000;

/** Sources that are to be let go: their files were renamed or deleted, or the entry does not mean them any more. */
export class RetirementRules {
  readonly #tools: SourceSetTools;
  readonly #tracked: TrackedSources;
  readonly #endings: EndedFiles;
  readonly #known: KnownFiles;
  readonly #pins: DeletedFileBudget;
  readonly #rotations: Rotations;
  /** Paused, for the entry did not mean them when they were last looked at. */
  readonly #unwanted = new Set<Source>();

  constructor(
    tools: SourceSetTools,
    parts: {
      tracked: TrackedSources;
      endings: EndedFiles;
      known: KnownFiles;
      pins: DeletedFileBudget;
      rotations: Rotations;
    },
  ) {
    this.#tools = tools;
    this.#tracked = parts.tracked;
    this.#endings = parts.endings;
    this.#known = parts.known;
    this.#pins = parts.pins;
    this.#rotations = parts.rotations;
  }

  isUnwanted(source: Source): boolean {
    return this.#unwanted.has(source);
  }

  /** It is at a path of the entry's. Returns whether it was not wanted before. */
  cameBack(source: Source): boolean {
    this.#pins.remove(source);
    return this.#unwanted.delete(source);
  }

  /** Renamed, and another file has its place: it is complete when it has not grown for long. */
  sealIfRotated(source: Source): void {
    const successor = this.#tracked.byPath(source.formerPath);
    if (source.phase === 'live' && successor && successor !== source) {
      source.phase = 'rotated';
      this.#tools.store.put(source.checkpoint);
    }
    if ((source.phase !== 'rotated' && source.phase !== 'sealed') || source.state !== 'READING') return;
    this.#sealAfter(source, RENAMED_GRACE_MS);
  }

  /** Renamed away or deleted: read on until nothing more comes, then let it go. */
  leftItsPath(source: Source): void {
    if (source.state === 'READING') {
      source.state = 'DRAINING';
      source.lastGrowthMs = this.#tools.clock.monotonicMs();
      this.#tools.onStateChange();
    }
    if (source.state !== 'DRAINING') return;
    if (source.unlinked && this.#pins.add(source) && !source.complete)
      this.#rotations.recordDeletion(source.size, this.#tools.clock.monotonicMs());
    // Those that no path of the entry's leads to stay open: when there may be no more open files, not for long.
    const brief = source.unlinked || this.#tools.budget.isFull;
    this.#sealAfter(source, brief ? UNLINKED_GRACE_MS : RENAMED_GRACE_MS);
  }

  /** Seals it when it has not grown for so long, and lets it go when all of it is in Kafka. */
  #sealAfter(source: Source, graceMs: number): void {
    if (this.#wasSealed(source)) return;
    if (this.#tools.clock.monotonicMs() - source.lastGrowthMs < graceMs) {
      source.sealed = this.#tools.once;
    } else if (!source.sealed) {
      source.sealed = true;
      source.wake();
    } else if (source.complete) {
      this.#endings.sealed(source);
      // It is known for as long as it is there, lest it is read again.
      this.#letGo(source, source.phase === 'rotated' && source.state === 'READING' ? 'sealed' : 'away');
    }
  }

  /** It was complete, and is open to be sent once more: of that nothing is told. False when it has grown since. */
  #wasSealed(source: Source): boolean {
    if (source.phase !== 'sealed') return false;
    if (source.complete) this.#letGo(source, 'sealed');
    else if (source.size > source.position) source.phase = 'rotated';
    return source.phase === 'sealed';
  }

  /** The entry does not mean it any more: what was read is delivered, and no more is read. */
  notWanted(source: Source): void {
    source.pause();
    this.#unwanted.add(source);
    if (source.settled) this.#letGo(source, source.phase);
  }

  /** Closes the file. A deleted one is forgotten; another may come back, and goes on from where it was. */
  #letGo(source: Source, phase: Source['phase']): void {
    source.phase = phase;
    const { checkpoint } = source;
    this.#pins.remove(source);
    this.#unwanted.delete(source);
    this.#tracked.remove(source);
    if (source.unlinked && source.complete) {
      this.#tools.store.remove(checkpoint.entryUid, checkpoint.generation);
    } else if (source.unlinked) {
      this.#endings.end(source, 'unassigned', true);
    } else {
      this.#known.add(checkpoint);
      this.#tools.store.put(checkpoint);
    }
    this.#tools.onStateChange();
  }
}
