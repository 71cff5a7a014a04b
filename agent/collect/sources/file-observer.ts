import type { Clock } from '../../../runtime/clock.ts';
import { rethrowDefect } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import { archiveFormatOf } from '../files/archive-format.ts';
import type { Rotations } from '../lag/rotations.ts';
import type { EndedFiles } from './ended-files.ts';
import type { OpenSources } from './open-sources.ts';
import type { Source } from './source.ts';
import type { SourceFactory } from './source-factory.ts';
import type { SourceFiles } from './source-files.ts';
import type { SourceRegistry } from './source-registry.ts';

const OBSERVED_AT_ONCE = 16;

export interface FileObserverDependencies {
  clock: Clock;
  logger: Logger;
  registry: SourceRegistry;
  factory: SourceFactory;
  open: OpenSources;
  ended: EndedFiles;
  files: SourceFiles;
  store: CheckpointStore;
  rotations: Rotations;
  onStateChange(): void;
}

/** Observes the files of open sources. After a truncation, the next generation begins here. */
export class FileObserver {
  readonly #dependencies: FileObserverDependencies;

  constructor(dependencies: FileObserverDependencies) {
    this.#dependencies = dependencies;
  }

  /** Observes whether the file has grown, was truncated or can't be read. Never rejects. */
  async observe(source: Source): Promise<void> {
    if (source.isClosed) return;
    try {
      const { clock, store, files } = this.#dependencies;
      const outcome = await source.observe(clock.monotonicMs(), clock.nowMs());
      const hasOther = outcome === 'truncated' || outcome === 'replaced';
      const isArchive = hasOther && (await archiveFormatOf(source.fd)) !== undefined;
      const hasLines = !isArchive || source.turns.furthest > 0;
      const next = hasOther && hasLines ? this.#beginNext(source, outcome, isArchive) : undefined;
      if (next) await this.observe(next);
      else if (isClosed(source)) return;
      else if (outcome === 'archive' || !hasLines) this.#leaveArchive(source);
      else if (outcome === 'learned') {
        store.put(source.file.checkpoint);
        files.markUsed(source);
      }
    } catch (error) {
      rethrowDefect(error);
      // If the source was closed meanwhile, its descriptor may have been invalid.
      if (!isClosed(source)) source.noteOutcome('observation', error);
    }
  }

  async observeAll(sources: readonly Source[], signal?: AbortSignal): Promise<void> {
    for (let at = 0; at < sources.length && !signal?.aborted; at += OBSERVED_AT_ONCE)
      await Promise.all(sources.slice(at, at + OBSERVED_AT_ONCE).map((source) => this.observe(source)));
  }

  /**
   * Another generation begins at 0, through the same descriptor. undefined: the file is an archive
   * now.
   */
  #beginNext(source: Source, outcome: 'truncated' | 'replaced', isArchive: boolean): Source | undefined {
    const { clock, logger, registry, factory, open, ended, files, rotations, onStateChange } = this.#dependencies;
    if (source.isClosed || !registry.isOpen(source)) return undefined;
    const { path, generation, size, position, file } = source;
    const { successor = file } = file;
    const isTruncated = outcome === 'truncated';
    const bytes = Math.max(0, size - position);
    logger.info(isTruncated ? 'file was truncated' : 'file was replaced', { path, generation, bytes });
    const fd = files.detach(source);
    ended.end(source, isTruncated ? 'truncated' : 'vanished', isTruncated);
    if (isTruncated) rotations.recordTruncation(path, clock.monotonicMs());
    const next = isArchive ? undefined : open.open(fd, factory.newGeneration(successor), 0);
    if (!next) files.closeUnread(fd);
    else if (source.file.unlinked) next.leave(clock.monotonicMs());
    onStateChange();
    return next;
  }

  /** The file was empty before, so nothing of it was read. */
  #leaveArchive(source: Source): void {
    const { open, store, onStateChange } = this.#dependencies;
    open.close(source);
    store.remove(source.file.entryUid, source.generation);
    onStateChange();
  }
}

/** As a function, so that the compiler does not rely on what was checked before an await. */
function isClosed(source: Source): boolean {
  return source.isClosed;
}
