import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { Charset } from '../../encode/charset.ts';
import { type Beginning, type Checkpoint, FIRST_BYTE, isComplete } from '../../model/checkpoint.ts';
import { EMPTY_HEAD, hasChanged, settledCtimeNs } from '../../model/fingerprint.ts';
import type { FoundFile, OpenFile } from '../../model/found-file.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import { archiveFormatOf } from '../files/archive-format.ts';
import { compareHead, readMarker } from '../files/file-head.ts';
import { withPresentSize } from '../files/written-end.ts';
import { isUnreadable, type StartRule } from '../find/discovery.ts';
import type { Rotations } from '../lag/rotations.ts';
import { lineStartBefore } from '../read/line-starts.ts';
import { Copies, findOriginal, isCopyOfMissing, originalPaths, waitingAt } from './copies.ts';
import type { EndedFiles } from './ended-files.ts';
import type { FileObserver } from './file-observer.ts';
import { findReturned, mayBeSameBirth, takeKnown, unchangedSealed } from './known-files.ts';
import type { StateChange } from './lifecycle.ts';
import type { OpenSources } from './open-sources.ts';
import type { Scan } from './scan.ts';
import type { Source } from './source.ts';
import type { SourceFactory } from './source-factory.ts';
import type { SourceFiles } from './source-files.ts';
import type { SourceRegistry } from './source-registry.ts';

export interface FileIdentifierDependencies {
  clock: Clock;
  logger: Logger;
  registry: SourceRegistry;
  factory: SourceFactory;
  open: OpenSources;
  ended: EndedFiles;
  observer: FileObserver;
  files: SourceFiles;
  store: CheckpointStore;
  rotations: Rotations;
  /** Files are read whole and as they are: none is skipped or waits. */
  once: boolean;
  /** Which bytes end a line. Undefined: line feeds. */
  charset: (() => Charset) | undefined;
}

/** A file that is not read, because it is an archive. */
export interface Archive {
  file: FoundFile;
  format: string;
  /** Its only state. */
  history: readonly StateChange[];
}

/**
 * Decides which generation a found file holds: an open one, a known one, one that continues in a
 * copy, or a new one.
 */
export class FileIdentifier {
  readonly #dependencies: FileIdentifierDependencies;
  readonly #copies = new Copies();
  /** Archives, which are not read, by their `fileKey`. */
  readonly #archives = new Map<string, Archive>();
  /** One file is opened at a time, because a file event and a scan may find the same one. */
  #opening: Promise<unknown> = Promise.resolve();

  constructor(dependencies: FileIdentifierDependencies) {
    this.#dependencies = dependencies;
  }

  /** The archives that were found. */
  get archives(): Iterable<Archive> {
    return this.#archives.values();
  }

  /**
   * The source of a found file. undefined: it is not read, because it is complete, an archive, or
   * perhaps a copy, or it is a new file and there is no `start`. Rejects with BudgetError or the
   * system's error.
   */
  async sourceOf(found: FoundFile, start: StartRule | undefined): Promise<Source | undefined> {
    const { registry } = this.#dependencies;
    const open = registry.byFile(found);
    if (open) return open;
    const sealed = unchangedSealed(found, registry);
    if (sealed?.path === found.path && !this.#isReplayed(sealed)) return undefined;
    const archive = this.#archives.get(found.key);
    if (archive && !hasChanged(archive.file, found)) return undefined;
    return this.#inTurn(() => this.#open(found, start));
  }

  /**
   * The source of a known generation whose file was found at `path`, which the entry may not match.
   * undefined: it is another file. Rejects with the system's error.
   */
  resume(checkpoint: Checkpoint, path: string): Promise<Source | undefined> {
    return this.#inTurn(() => this.#resume(checkpoint, path));
  }

  /**
   * The source of a complete generation, opened again for a replay. undefined: its path has another
   * file. Rejects with the system's error.
   */
  reopen(checkpoint: Checkpoint): Promise<Source | undefined> {
    return this.#inTurn(async () => {
      const open = this.#dependencies.registry.byFile(checkpoint);
      if (!open) return this.#resume(checkpoint, checkpoint.path);
      // The file was truncated meanwhile and holds another generation.
      return open.generation === checkpoint.generation ? open : undefined;
    });
  }

  /** Forgets archives and copies that the scan did not find. */
  keepOnly({ found, keys }: { found: Scan['found']; keys: () => ReadonlySet<string> }): void {
    this.#copies.keepOnly(keys);
    if (this.#archives.size === 0) return;
    for (const [key, { file }] of this.#archives)
      if (!keys().has(key) && !isUnreadable(file.path, found)) this.#archives.delete(key);
  }

  #inTurn(work: () => Promise<Source | undefined>): Promise<Source | undefined> {
    const done = this.#opening.then(work);
    this.#opening = done.catch(() => {});
    return done;
  }

  async #resume(checkpoint: Checkpoint, path: string): Promise<Source | undefined> {
    const { registry, files, open } = this.#dependencies;
    const { fd, file } = await files.open(path);
    try {
      const { known, overwritten } = await takeKnown(fd, file, registry);
      this.#endOverwritten(overwritten, file);
      if (known?.generation === checkpoint.generation)
        return open.open(fd, known, file.written, { forReplay: known.phase === 'sealed' });
      if (known) registry.addKnown(known);
      files.closeUnread(fd);
    } catch (error) {
      files.closeUnread(fd);
      throw error;
    }
    return undefined;
  }

  #isReplayed({ generation }: Checkpoint): boolean {
    return this.#dependencies.store.replays.forGeneration(generation).length > 0;
  }

  /** The path may have another file now than when it was found: only the descriptor is certain. */
  async #open(found: FoundFile, start: StartRule | undefined): Promise<Source | undefined> {
    const { clock, registry, files } = this.#dependencies;
    const { fd, file } = await files.open(found.path, found.local);
    try {
      const source = registry.byFile(file) ?? (await this.#identify(fd, file, start));
      if (source?.fd !== fd) files.closeUnread(fd);
      else source.file.compared(settledCtimeNs(file.ctimeNs, clock.nowMs()));
      return source;
    } catch (error) {
      files.closeUnread(fd);
      throw error;
    }
  }

  async #identify(fd: number, file: OpenFile, start: StartRule | undefined): Promise<Source | undefined> {
    const { clock, once, registry, factory, observer, open } = this.#dependencies;
    const { known, stored, overwritten } = await takeKnown(fd, file, registry);
    this.#endOverwritten(overwritten, file);
    if (known) return this.#openKnown(fd, known, file, stored);
    const returned = await findReturned(fd, file, registry);
    if (returned) {
      open.reopen(returned, fd);
      return returned;
    }
    if (!start) return undefined;
    if (await this.#isArchive(fd, file)) return undefined;
    const paths = originalPaths(file.path);
    const originals = paths.flatMap((path) => registry.nowOrBeforeAt(path));
    // They may have been truncated just now.
    await observer.observeAll(originals);
    // A copy of one that was truncated is complete, now at the latest.
    const now = originals.length > 0 ? await withPresentSize(fd, file) : file;
    const original = await findOriginal(fd, now, registry);
    if (original) return this.#continueInCopy(original, fd, now);
    if (await isCopyOfMissing(fd, now, registry)) return undefined;
    const waiting = once ? [] : waitingAt(paths, registry);
    if (!once && (await this.#copies.holds(fd, file, [...originals, ...waiting], clock.monotonicMs())))
      return undefined;
    const head = (await compareHead(fd, EMPTY_HEAD)) ?? EMPTY_HEAD;
    const beginning = await this.#beginningIn(fd, file, start);
    const marker = await readMarker(fd, beginning.first);
    const markers = marker ? [marker] : [];
    return open.open(fd, { ...factory.newGeneration(file, beginning), head, markers }, file.written);
  }

  async #isArchive(fd: number, file: FoundFile): Promise<boolean> {
    const { clock, logger } = this.#dependencies;
    const known = this.#archives.get(file.key);
    const format = await archiveFormatOf(fd);
    if (format === undefined) {
      this.#archives.delete(file.key);
      return false;
    }
    // While it is written, it changes often.
    if (known?.format !== format) logger.info('archive is not read', { path: file.path, format });
    const found = { time: new Date(clock.nowMs()), state: 'skipped', reason: `${format} archive` };
    this.#archives.set(file.key, { file, format, history: known?.format === format ? known.history : [found] });
    return true;
  }

  #openKnown(fd: number, known: Checkpoint, file: OpenFile, stored: boolean): Source | undefined {
    const { once, registry, store, open } = this.#dependencies;
    const isUnchanged = known.phase === 'sealed' && file.written <= known.position;
    if (isUnchanged && this.#isReplayed(known)) return open.open(fd, known, file.written, { forReplay: true });
    if (isUnchanged && !once) {
      const { path, written: size, ctimeNs } = file;
      const seen = { ...known, path, size, ctimeNs };
      registry.addKnown(seen);
      store.put(seen);
      return undefined;
    }
    return open.open(fd, known, file.written, { stored: stored && !isComplete(known) });
  }

  #continueInCopy(original: Source, fd: number, file: OpenFile): Source {
    const { logger, registry, rotations, factory, open, ended } = this.#dependencies;
    const { path, generation } = original;
    logger.info('file was truncated, its generation continues in a copy', { path, generation, copy: file.path });
    rotations.recordCopy(path);
    const { written } = file;
    if (written < original.turns.position) {
      // All that the copy has was read from the original.
      return open.open(fd, factory.newGeneration(file, { first: written, firstReason: 'copy' }), written);
    }
    registry.removeEnded(original);
    ended.recordMissingIn(original, written);
    open.continueInCopy(original, fd, file);
    return original;
  }

  async #beginningIn(fd: number, file: OpenFile, start: StartRule): Promise<Beginning> {
    if (start(file) === 'beginning') return FIRST_BYTE;
    const first = await lineStartBefore(fd, file.written, this.#dependencies.charset?.());
    return first === 0 ? FIRST_BYTE : { first, firstReason: 'start' };
  }

  /** `file` holds another generation than these, which it held before. */
  #endOverwritten(checkpoints: readonly Checkpoint[], file: FoundFile): void {
    for (const checkpoint of checkpoints) {
      const isTruncated = checkpoint.path === file.path && mayBeSameBirth(checkpoint.birthMs, file.birthMs);
      const reason = isTruncated ? 'truncated' : 'vanished';
      this.#dependencies.ended.endKnown(checkpoint, { reason, certain: false });
    }
  }
}
