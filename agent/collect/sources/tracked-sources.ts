import { randomBytes } from 'node:crypto';
import { type Checkpoint, hasEnded, newCheckpoint } from '../../model/checkpoint.ts';
import { type FoundFile, fileKey } from '../../model/found-file.ts';
import type { IntentSegment } from '../../model/segment.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import type { Rotations } from '../lag/rotations.ts';
import type { EndedFiles } from './ended-files.ts';
import { Source } from './source.ts';
import type { SourceEvents } from './source-events.ts';
import type { SourceFiles } from './source-files.ts';
import type { SourceSetTools } from './source-set-tools.ts';

const LOOKS_AT_ONCE = 16;

/** The generations that are read: by what is known of them, and looked at. A truncated file begins another one here. */
export class TrackedSources {
  readonly #entryUid: string;
  readonly #tools: SourceSetTools;
  readonly #files: SourceFiles;
  readonly #endings: EndedFiles;
  readonly #rotations: Rotations;
  readonly #direct: (source: Source) => void;
  readonly #sources = new Map<string, Source>();
  /** The present generation of each file. */
  readonly #byFile = new Map<string, Source>();
  /** What was last seen at each path. */
  readonly #byPath = new Map<string, Source>();
  /** The same for all: there are thousands of sources. */
  readonly #events: SourceEvents;
  /** Of which something was acknowledged since their last look. */
  readonly #moved = new Set<Source>();
  #marking: Promise<void> | undefined;
  #added = 0;

  constructor(
    entryUid: string,
    tools: SourceSetTools,
    parts: { files: SourceFiles; endings: EndedFiles; rotations: Rotations; direct: (source: Source) => void },
  ) {
    this.#entryUid = entryUid;
    this.#tools = tools;
    this.#files = parts.files;
    this.#endings = parts.endings;
    this.#rotations = parts.rotations;
    this.#direct = parts.direct;
    this.#events = {
      onAcknowledged: (source, segment) => this.#acknowledged(source, segment),
      onStateChange: () => tools.onStateChange(),
      reopen: (source) => this.#files.reopen(source),
      onUnopened: (source) => void this.look(source),
      onOtherLife: (source) => void this.look(source),
      taps: tools.taps,
      limits: tools.limits,
    };
  }

  [Symbol.iterator](): Iterator<Source> {
    return this.#sources.values();
  }

  /** How many there were so far: the `order` of the last one. */
  get added(): number {
    return this.#added;
  }

  byFile(file: Pick<FoundFile, 'device' | 'inode'>): Source | undefined {
    return this.#byFile.get(fileKey(file));
  }

  byPath(path: string): Source | undefined {
    return this.#byPath.get(path);
  }

  mint(file: Parameters<typeof newCheckpoint>[2]): Checkpoint {
    return newCheckpoint(this.#entryUid, randomBytes(8).toString('hex'), file);
  }

  /** A source that is not read: its file is no more. */
  sourceOf(checkpoint: Checkpoint, fd: number, size: number): Source {
    const { clock, recovery: former, store } = this.#tools;
    const inherited = former.inherit(checkpoint.generation);
    const created = new Source(fd, checkpoint, inherited, size, this.#events, clock);
    for (const replay of store.replays.forGeneration(checkpoint.generation))
      created.replay(replay, store.replays, former.inherit(checkpoint.generation, replay.id));
    former.bind(created);
    return created;
  }

  /** Generations that had ended when a former process stopped: it has not told what became of them. */
  restoreEnded(checkpoints: readonly Checkpoint[]): void {
    for (const checkpoint of checkpoints) {
      if (!hasEnded(checkpoint)) continue;
      const certain = checkpoint.phase === 'ended';
      const source = this.sourceOf(checkpoint, NOT_OPEN, checkpoint.size);
      this.#endings.end(source, certain ? 'truncated' : 'vanished', certain);
    }
  }

  /** Begins to read the generation of `checkpoint` through an open file. */
  track(fd: number, checkpoint: Checkpoint, size: number): Source {
    const source = this.#begin(fd, checkpoint, size);
    this.add(source);
    return source;
  }

  /** The same for a checkpoint that is written as it is: at the start there are thousands. */
  trackWritten(fd: number, checkpoint: Checkpoint, size: number): Source {
    const source = this.#begin(fd, checkpoint, size);
    this.#read(source);
    return source;
  }

  /** `source` is read from now on. */
  add(source: Source): void {
    this.#tools.store.putNew(source.checkpoint);
    this.#read(source);
  }

  #read(source: Source): void {
    this.#sources.set(source.generation, source);
    source.order = ++this.#added;
    this.#byFile.set(fileKey(source), source);
    if (this.byPath(source.path)?.state !== 'READING') this.#byPath.set(source.path, source);
    this.#files.used(source);
    this.#direct(source);
  }

  /** `source` was seen at `path`. */
  moved(source: Source, path: string): void {
    this.#byPath.set(path, source);
    if (source.path === path) return;
    if (this.byPath(source.path) === source) this.#byPath.delete(source.path);
    [source.formerPath, source.path] = [source.path, path];
    this.#tools.store.put(source.checkpoint);
  }

  /** `source` is read no more; its file is closed. */
  remove(source: Source): void {
    this.#files.close(source);
    source.state = 'CLOSED';
    source.rest();
    this.#sources.delete(source.generation);
    this.#moved.delete(source);
    if (this.byFile(source) === source) this.#byFile.delete(fileKey(source));
    if (this.byPath(source.path) === source) this.#byPath.delete(source.path);
  }

  /** Looks whether the file has grown, was truncated, or can't be read. */
  async look(source: Source): Promise<void> {
    if (source.state === 'CLOSED') return;
    this.#moved.delete(source);
    try {
      const { clock, store } = this.#tools;
      const seen = await source.look(clock.monotonicMs(), clock.nowMs());
      const next = seen === 'truncated' ? this.#truncated(source) : undefined;
      if (next) await this.look(next);
      else if (seen === 'compressed') this.#compressed(source);
      else if (seen === 'learned' && !isClosed(source)) {
        store.put(source.checkpoint);
        this.#files.used(source);
      }
    } catch (error) {
      // The descriptor may have been closed meanwhile, when the agent stops.
      if (!isClosed(source)) source.errors.looked((error as Error).message);
    }
  }

  async lookAtAll(sources: readonly Source[], signal?: AbortSignal): Promise<void> {
    for (let at = 0; at < sources.length && !signal?.aborted; at += LOOKS_AT_ONCE)
      await Promise.all(sources.slice(at, at + LOOKS_AT_ONCE).map((source) => this.look(source)));
  }

  /** Takes the markers of those that have moved: what tells a file that is truncated and grows again before the next scan. */
  mark(): Promise<void> {
    this.#marking ??= this.lookAtAll([...this.#moved]).finally(() => {
      this.#marking = undefined;
    });
    return this.#marking;
  }

  close(): void {
    for (const source of [...this.#sources.values()]) this.remove(source);
  }

  #begin(fd: number, checkpoint: Checkpoint, size: number): Source {
    const source = this.sourceOf(checkpoint, fd, size);
    source.sealed = this.#tools.once;
    const { path, generation, position: from } = source;
    this.#tools.logger.debug('reading', { path, generation, from });
    return source;
  }

  #acknowledged(source: Source, segment: IntentSegment): void {
    const { clock, store, onAcknowledged } = this.#tools;
    if (segment.replay === undefined) {
      source.lastProgressMs = clock.nowMs();
      this.#moved.add(source);
      // It was complete, and has grown since it was opened again for a replay: its new end is to be told.
      if (source.phase === 'sealed') source.phase = 'rotated';
      if (source.state !== 'CLOSED' || this.#endings.has(source)) store.put(source.checkpoint);
    }
    this.#files.mayBeIdle(source);
    onAcknowledged(segment, source);
  }

  /** The same file, another life: it begins anew, through the same descriptor. */
  #truncated(source: Source): Source | undefined {
    if (isClosed(source) || !this.#sources.delete(source.generation)) return undefined;
    const { path, generation, size, position } = source;
    const unread = Math.max(0, size - position);
    this.#tools.logger.info('a file was truncated', { path, generation, unread });
    const fd = this.#files.leave(source);
    source.rest();
    this.#endings.end(source, 'truncated', true);
    this.#rotations.recordTruncation(path, this.#tools.clock.monotonicMs());
    const next = this.track(fd, this.mint(source), 0);
    if (source.unlinked && next.state === 'READING') next.state = 'DRAINING';
    this.#tools.onStateChange();
    return next;
  }

  /** It was met while it had no bytes. */
  #compressed(source: Source): void {
    this.remove(source);
    this.#tools.store.remove(this.#entryUid, source.generation);
    this.#tools.onStateChange();
  }
}

export function isClosed(source: Source): boolean {
  return source.state === 'CLOSED';
}
