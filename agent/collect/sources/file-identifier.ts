import type { Checkpoint } from '../../model/checkpoint.ts';
import { EMPTY_HEAD, knownBirthMs, settledCtimeNs } from '../../model/fingerprint.ts';
import type { FoundFile } from '../../model/found-file.ts';
import { compareHead, isCompressed } from '../files/file-head.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import type { StartRule } from '../find/discovery.ts';
import type { Rotations } from '../lag/rotations.ts';
import { lineStartBefore } from '../read/line-starts.ts';
import { Copies, originalsOf } from './copies.ts';
import type { EndedFiles } from './ended-files.ts';
import type { KnownFiles } from './known-files.ts';
import type { Scan } from './scan.ts';
import type { Source } from './source.ts';
import type { SourceFiles } from './source-files.ts';
import type { SourceSetTools } from './source-set-tools.ts';
import type { TrackedSources } from './tracked-sources.ts';

/** Tells which generation a file is: one that is read, one that was, one that goes on in a copy, or a new one. */
export class FileIdentifier {
  readonly #tools: SourceSetTools;
  readonly #tracked: TrackedSources;
  readonly #files: SourceFiles;
  readonly #endings: EndedFiles;
  readonly #known: KnownFiles;
  readonly #rotations: Rotations;
  readonly #copies = new Copies();
  /** Archives, which are not read. */
  readonly #compressed = new Set<string>();
  /** One file is opened at a time: a hint and a scan may meet the same one. */
  #opening: Promise<unknown> = Promise.resolve();

  constructor(
    tools: SourceSetTools,
    parts: {
      tracked: TrackedSources;
      files: SourceFiles;
      endings: EndedFiles;
      known: KnownFiles;
      rotations: Rotations;
    },
  ) {
    this.#tools = tools;
    this.#tracked = parts.tracked;
    this.#files = parts.files;
    this.#endings = parts.endings;
    this.#known = parts.known;
    this.#rotations = parts.rotations;
  }

  /** The source of a file that was found; undefined when it is not to be read: it is complete, an archive, or perhaps a copy. */
  async sourceOf(found: FoundFile, start: StartRule): Promise<Source | undefined> {
    const present = this.#tracked.byFile(found);
    if (present) return present;
    const sealed = this.#known.untouched(found);
    if ((sealed?.path === found.path && !this.#isReplayed(sealed)) || this.#compressed.has(archiveKey(found)))
      return undefined;
    const opened = this.#opening.then(() => this.#open(found, start));
    this.#opening = opened.catch(() => {});
    return opened;
  }

  /** The source of a generation that is known and was found at another path, perhaps one that the entry does not mean. */
  async resume(checkpoint: Checkpoint, foundAt: string): Promise<Source | undefined> {
    const { fd, file } = await this.#files.open(foundAt);
    try {
      const { known, gone } = await this.#known.take(fd, file);
      this.gone(gone, file);
      if (known?.generation === checkpoint.generation) return this.#tracked.track(fd, known, file.size);
      if (known) this.#known.add(known);
      this.#files.closeUnread(fd);
    } catch (error) {
      this.#files.closeUnread(fd);
      throw error;
    }
    return undefined;
  }

  /** The source of a complete generation, whose file is open again: it is to be sent once more. undefined: the file is another one. Rejects with the system's error. */
  reopen(checkpoint: Checkpoint): Promise<Source | undefined> {
    const opened = this.#opening.then(() => {
      const present = this.#tracked.byFile(checkpoint);
      if (!present) return this.resume(checkpoint, checkpoint.path);
      // Written anew meanwhile, it is another generation.
      return present.generation === checkpoint.generation ? present : undefined;
    });
    this.#opening = opened.catch(() => {});
    return opened;
  }

  #isReplayed({ generation }: Checkpoint): boolean {
    return this.#tools.store.replays.forGeneration(generation).length > 0;
  }

  /** Forgets what was noted of files that are not there any more. */
  keepOnly(scan: Scan): void {
    if (this.#copies.any) this.#copies.keepOnly(scan.keys);
    if (this.#compressed.size === 0) return;
    const archives = new Set(scan.found.files.map(archiveKey));
    for (const key of this.#compressed) if (!archives.has(key)) this.#compressed.delete(key);
  }

  /** Generations whose files are another life by now, as `file` shows where it is given, or that are nowhere. */
  gone(checkpoints: readonly Checkpoint[], file?: FoundFile, certain = false): void {
    for (const checkpoint of checkpoints) {
      if (checkpoint.phase === 'sealed' || checkpoint.phase === 'away') {
        this.#endings.forget(checkpoint);
        continue;
      }
      const sameFile = file !== undefined && checkpoint.path === file.path && isSameBirth(checkpoint, file);
      const source = this.#tracked.sourceOf(checkpoint, NOT_OPEN, Math.max(checkpoint.size, checkpoint.position));
      this.#endings.end(source, sameFile ? 'truncated' : 'vanished', certain);
    }
  }

  /** What is at `path` by now may be another file than was seen there: its descriptor tells. */
  async #open(found: FoundFile, start: StartRule): Promise<Source | undefined> {
    const { fd, file } = await this.#files.open(found.path, found.local);
    try {
      const source = this.#tracked.byFile(file) ?? (await this.#recognise(fd, file, start));
      if (source?.fd !== fd) this.#files.closeUnread(fd);
      // It was just compared: as long as it does not change it need not be looked at.
      else source.ctimeNs = settledCtimeNs(file.ctimeNs, this.#tools.clock.nowMs());
      return source;
    } catch (error) {
      this.#files.closeUnread(fd);
      throw error;
    }
  }

  async #recognise(fd: number, file: FoundFile, start: StartRule): Promise<Source | undefined> {
    const before = this.#known.at(file);
    const { known, gone } = await this.#known.take(fd, file);
    this.gone(gone, file);
    if (known) return this.#resumeKnown(fd, known, file, before.includes(known));
    if (await isCompressed(fd)) {
      this.#compressed.add(archiveKey(file));
      this.#tools.logger.info('an archive is not read', { path: file.path });
      return undefined;
    }
    // They may have been truncated just now.
    const originals = this.#originalsOf(file.path);
    await this.#tracked.lookAtAll(originals);
    const original = await this.#endings.takeOriginalOf(fd, file);
    if (original) return this.#goOnInCopy(original, fd, file);
    const { clock, once } = this.#tools;
    if (!once && (await this.#copies.holds(fd, file, originals, clock.monotonicMs()))) return undefined;
    return this.#tracked.track(fd, await this.#newGeneration(fd, file, start), file.size);
  }

  #resumeKnown(fd: number, known: Checkpoint, file: FoundFile, written: boolean): Source | undefined {
    const isComplete = known.phase === 'sealed' && file.size <= known.position;
    if (isComplete && this.#isReplayed(known)) return this.#tracked.track(fd, known, file.size);
    if (isComplete && !this.#tools.once) {
      const { size, ctimeNs } = file;
      const still = { ...known, path: file.path, size, ctimeNs };
      this.#known.add(still);
      this.#tools.store.put(still);
      return undefined;
    }
    const phase = known.phase === 'sealed' ? 'rotated' : known.phase === 'away' ? 'live' : known.phase;
    if (written && phase === known.phase) return this.#tracked.trackWritten(fd, known, file.size);
    return this.#tracked.track(fd, { ...known, phase }, file.size);
  }

  #goOnInCopy(original: Source, fd: number, file: FoundFile): Source {
    const { path, generation } = original;
    this.#tools.logger.info('a file was truncated; its generation goes on in its copy', {
      path,
      generation,
      copy: file.path,
    });
    this.#rotations.recordCopy(path);
    // All that the copy has was read from the original.
    if (this.#endings.has(original))
      return this.#tracked.track(
        fd,
        { ...this.#mint(file), first: file.size, position: file.size, rangeEnd: file.size },
        file.size,
      );
    original.moveTo(fd, file);
    this.#tracked.add(original);
    return original;
  }

  async #newGeneration(fd: number, file: FoundFile, start: StartRule): Promise<Checkpoint> {
    const head = (await compareHead(fd, EMPTY_HEAD)) ?? EMPTY_HEAD;
    const position = start(file) === 'beginning' ? 0 : await lineStartBefore(fd, file.size, this.#tools.charset?.());
    return { ...this.#mint(file), head, position, first: position };
  }

  #mint(file: FoundFile): Checkpoint {
    return this.#tracked.mint({ ...file, birthMs: knownBirthMs(file) });
  }

  #originalsOf(path: string): Source[] {
    return originalsOf(path).flatMap((original) => this.#tracked.byPath(original) ?? []);
  }
}

function archiveKey(file: FoundFile): string {
  return `${file.key}:${file.size}:${file.ctimeNs}`;
}

function isSameBirth({ birthMs }: Checkpoint, file: FoundFile): boolean {
  return birthMs === 0 || knownBirthMs(file) === 0 || birthMs === knownBirthMs(file);
}
