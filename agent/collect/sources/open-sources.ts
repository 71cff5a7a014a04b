import type { Logger } from '../../../runtime/logger.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import type { OpenFile } from '../../model/found-file.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import type { DeletedFileBudget } from './deleted-file-budget.ts';
import type { Source } from './source.ts';
import type { SourceFactory } from './source-factory.ts';
import type { SourceFiles } from './source-files.ts';
import type { SourceRegistry } from './source-registry.ts';

/** Decides whether a source reads, and where its lines are sent. */
export interface RouteAssigner {
  assign(source: Source): void;
}

export interface OpenSourcesDependencies {
  registry: SourceRegistry;
  factory: SourceFactory;
  files: SourceFiles;
  deleted: DeletedFileBudget;
  store: CheckpointStore;
  routes: RouteAssigner;
  logger: Logger;
}

/** How a generation is opened. */
export interface OpenOptions {
  /** The state database has the checkpoint as it is. */
  stored?: boolean;
  /** The generation is complete and is opened only for a replay. */
  forReplay?: boolean;
}

/** Opens and closes the sources of one entry. Nothing else changes the registry's open set. */
export class OpenSources {
  readonly #dependencies: OpenSourcesDependencies;

  constructor(dependencies: OpenSourcesDependencies) {
    this.#dependencies = dependencies;
  }

  /** Begins to read the generation of `checkpoint` through `fd`. `size`: how much is written. */
  open(fd: number, checkpoint: Checkpoint, size: number, options: OpenOptions = {}): Source {
    const { factory, logger } = this.#dependencies;
    const source = factory.create(checkpoint, size);
    source.begin(fd, options.forReplay === true);
    const { path, generation, position } = source;
    logger.debug('reading a file', { path, generation, start: position });
    this.#add(source, options.stored === true);
    return source;
  }

  /** Reads `source` on through `fd`: it had not been found, and that is not recorded yet. */
  reopen(source: Source, fd: number): void {
    const { registry, logger } = this.#dependencies;
    const { path, generation, position } = source;
    logger.debug('reading a file again that was not found before', { path, generation, start: position });
    registry.removeEnded(source);
    source.begin(fd, false);
    this.#add(source, false);
  }

  /** The generation of `original`, whose file was truncated, continues in `copy`, open at `fd`. */
  continueInCopy(original: Source, fd: number, copy: OpenFile): void {
    original.continueInCopy(fd, copy);
    this.#add(original, false);
  }

  /** A source was found at `path`, perhaps another one than before. */
  foundAt(source: Source, path: string): void {
    const { registry, store } = this.#dependencies;
    if (!registry.foundAt(source, path)) return;
    source.file.rename(path);
    store.put(source.file.checkpoint);
  }

  /** Closes the file and removes the source. Its lifecycle has closed it, or it is released. */
  close(source: Source): void {
    const { registry, files, deleted } = this.#dependencies;
    if (!source.isClosed) source.apply('released');
    deleted.remove(source);
    files.close(source);
    registry.close(source);
  }

  #add(source: Source, isStored: boolean): void {
    const { registry, store, files, routes } = this.#dependencies;
    // Before its first line is sent, the generation's id must be on disk.
    if (!isStored) store.putNew(source.file.checkpoint);
    registry.open(source);
    files.markUsed(source);
    routes.assign(source);
  }
}
