import type { Clock } from '../../../runtime/clock.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import type { Rotations } from '../lag/rotations.ts';
import type { DeletedFileBudget } from './deleted-file-budget.ts';
import type { EndedFiles } from './ended-files.ts';
import type { OpenSources } from './open-sources.ts';
import type { Source } from './source.ts';
import type { SourceFiles } from './source-files.ts';
import type { SourceRegistry } from './source-registry.ts';

/** How long a renamed file is read after it last grew: its writer may not know of the rename. */
export const RENAMED_GRACE_MS = 5 * 60_000;
const UNLINKED_GRACE_MS = 5_000;

export interface RetirementDependencies {
  clock: Clock;
  registry: SourceRegistry;
  open: OpenSources;
  ended: EndedFiles;
  files: SourceFiles;
  deleted: DeletedFileBudget;
  store: CheckpointStore;
  rotations: Rotations;
}

/**
 * Decides when an open source is finished: its file was renamed or deleted and is complete, or the
 * entry does not match it any more.
 */
export class RetirementRules {
  readonly #dependencies: RetirementDependencies;

  constructor(dependencies: RetirementDependencies) {
    this.#dependencies = dependencies;
  }

  /** The source was found at a path of the entry. */
  cancel(source: Source): void {
    this.#dependencies.deleted.remove(source);
  }

  /** A scan found the source. If another file took its previous path, it is sealed when quiet. */
  afterFound(source: Source): void {
    const successor = this.#dependencies.registry.byPath(source.file.previousPath);
    if (source.file.state.phase === 'live' && successor && successor !== source) source.apply('rotated');
    const { activity, phase } = source.file.state;
    if (phase !== 'live' && activity === 'reading') this.#sealAfter(source, RENAMED_GRACE_MS);
  }

  /** A scan did not find the source: it was renamed or deleted, so it is read to its end. */
  afterLeft(source: Source): void {
    const { clock, files, deleted, rotations } = this.#dependencies;
    source.leave(clock.monotonicMs());
    const { file } = source;
    if (file.state.activity !== 'draining') return;
    if (file.unlinked && deleted.add(source) && !source.complete)
      rotations.recordDeletion(source.size, clock.monotonicMs());
    // A file without a path of the entry can't be closed while it is idle. If others need its
    // descriptor, it does not stay open for long.
    this.#sealAfter(source, file.unlinked || files.areFull ? UNLINKED_GRACE_MS : RENAMED_GRACE_MS);
  }

  /** The entry does not match the source's path: it is closed when its segments have outcomes. */
  afterUnmatched(source: Source): void {
    source.apply('unmatched');
    if (source.settled) this.#finish(source, 'dropped');
  }

  /** After `graceMs` without growth the last line is due. When that is acknowledged: sealed. */
  #sealAfter(source: Source, graceMs: number): void {
    if (this.#staysSealed(source)) return;
    if (this.#dependencies.clock.monotonicMs() - source.file.lastGrowthMs < graceMs) source.apply('growing');
    else if (!source.lastLineDue) source.apply('quiet');
    else if (source.complete) {
      this.#dependencies.ended.recordSealed(source);
      const { activity, phase } = source.file.state;
      this.#finish(source, phase === 'rotated' && activity === 'reading' ? 'sealed' : 'retired');
    }
  }

  /** A sealed source is open for a replay. It is closed after that, unless the file has grown. */
  #staysSealed(source: Source): boolean {
    if (source.file.state.phase !== 'sealed') return false;
    if (source.complete) this.#finish(source, 'sealed');
    else if (source.size > source.position) source.apply('unsealed');
    return source.file.state.phase === 'sealed';
  }

  /** Closes the source. It stays known while its file exists, so that it is not read again. */
  #finish(source: Source, event: 'sealed' | 'retired' | 'dropped'): void {
    const { registry, open, ended, store } = this.#dependencies;
    source.apply(event);
    open.close(source);
    const { checkpoint, unlinked } = source.file;
    if (!unlinked) {
      registry.addKnown(checkpoint);
      store.put(checkpoint);
    } else if (source.complete) store.remove(checkpoint.entryUid, checkpoint.generation);
    else ended.end(source, 'unassigned', true);
  }
}
