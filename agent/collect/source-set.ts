import { randomBytes } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Segment } from '../deliver/route.ts';
import { type Checkpoint, type CheckpointStore, newCheckpoint } from '../state/checkpoint-store.ts';
import type { FactLog } from '../state/facts.ts';
import { type FoundFile, isAtOrBelow, type ScanResult, type ScanRules, type StartRule } from './discovery.ts';
import type { FileBudget } from './file-budget.ts';
import { compareHead, EMPTY_HEAD, lineStartBefore } from './file-head.ts';
import { fileKey, KnownFiles } from './known-files.ts';
import { Source } from './source.ts';

/** How long a file that has left its path is kept open after it last grew, for writers that have not noticed. */
const RENAMED_GRACE_MS = 5 * 60_000;
const UNLINKED_GRACE_MS = 5_000;
const LOOKS_AT_ONCE = 16;

export interface SourceSetTools {
  clock: Clock;
  logger: Logger;
  store: CheckpointStore;
  facts: FactLog;
  budget: FileBudget;
  /** Files are complete as they are: an unterminated last line goes at once. */
  once: boolean;
  onDelivered(segment: Segment): void;
  onStateChange(): void;
}

/** The generations that one entry reads: recognises files, follows renames, notices truncation, lets go of what is complete. */
export class SourceSet {
  readonly #entryUid: string;
  readonly #tools: SourceSetTools;
  readonly #direct: (source: Source) => void;
  readonly #sources = new Map<string, Source>();
  /** The present generation of each file. */
  readonly #byFile = new Map<string, Source>();
  /** What was last seen at each path. */
  readonly #byPath = new Map<string, Source>();
  /** Paused, for the entry did not mean them when they were last looked at. */
  readonly #unwanted = new Set<Source>();
  /** One file is opened at a time: a hint and a scan may meet the same one. */
  #opening: Promise<unknown> = Promise.resolve();
  readonly #known: KnownFiles;

  /** `direct` sets a new source going. */
  constructor(entryUid: string, tools: SourceSetTools, direct: (source: Source) => void) {
    this.#entryUid = entryUid;
    this.#tools = tools;
    this.#direct = direct;
    this.#known = new KnownFiles(tools.store.load(entryUid));
  }

  [Symbol.iterator](): Iterator<Source> {
    return this.#sources.values();
  }

  /** Takes in what a scan found, and looks at each source; returns the errors by path. Stops early when `signal` is aborted. */
  async reconcile(found: ScanResult, rules: ScanRules, signal: AbortSignal): Promise<Map<string, string>> {
    const errors = new Map<string, string>();
    const present = new Set<Source>();
    for (const file of found.files) {
      if (signal.aborted) return errors;
      try {
        const source = await this.#sourceOf(file, rules.start);
        if (!present.has(source)) this.#isAt(source, file.path);
        present.add(source);
      } catch (error) {
        errors.set(file.path, errorText(error));
      }
    }
    for (const { path, error } of found.errors) errors.set(path, errorText(error));
    const sources = [...this.#sources.values()];
    for (let at = 0; at < sources.length && !signal.aborted; at += LOOKS_AT_ONCE) {
      await Promise.all(sources.slice(at, at + LOOKS_AT_ONCE).map((source) => this.#look(source)));
    }
    for (const source of sources) {
      if (present.has(source) || this.#isClosed(source) || signal.aborted) continue;
      if (!rules.matches(source.path)) this.#isUnwanted(source);
      // What can't be looked at may still be there.
      else if (!found.errors.some(({ path }) => isAtOrBelow(source.path, path))) this.#leftItsPath(source);
    }
    return errors;
  }

  /**
   * Looks at one path, between two scans: at the source that was there, and at `file`, which is there now, unless there is none. Rejects
   * when it can't be opened.
   */
  async meet(path: string, file: FoundFile | undefined, start: StartRule): Promise<void> {
    const former = this.#byPath.get(path);
    if (former) await this.#look(former);
    if (!file) return;
    const source = await this.#sourceOf(file, start);
    this.#isAt(source, path);
    if (source !== former) await this.#look(source);
  }

  /** Looks whether the file has grown, was truncated, or can't be read. */
  async #look(source: Source): Promise<void> {
    if (source.state === 'CLOSED') return;
    try {
      const seen = await source.look(this.#tools.clock.monotonicMs());
      if (seen === 'truncated') this.#truncated(source);
      else if (seen === 'learned' && !this.#isClosed(source)) this.#tools.store.put(source.checkpoint);
    } catch (error) {
      // The descriptor may have been closed meanwhile, when the agent stops.
      if (!this.#isClosed(source)) source.failed(error as Error);
    }
  }

  /** Closes the files; their positions stay. */
  close(): void {
    for (const source of this.#sources.values()) this.#close(source);
    this.#sources.clear();
    this.#byFile.clear();
    this.#byPath.clear();
  }

  #isClosed(source: Source): boolean {
    return source.state === 'CLOSED';
  }

  async #sourceOf(file: FoundFile, start: StartRule): Promise<Source> {
    const present = this.#byFile.get(fileKey(file));
    if (present) return present;
    const opened = this.#opening.then(() => this.#openFile(file.path, start));
    this.#opening = opened.catch(() => {});
    return opened;
  }

  /** The file is at a path of the entry's, perhaps another than before. */
  #isAt(source: Source, path: string): void {
    if (source.state === 'DRAINING') source.state = 'READING';
    source.sealed = this.#tools.once;
    if (this.#unwanted.delete(source)) this.#direct(source);
    this.#byPath.set(path, source);
    if (source.path === path) return;
    if (this.#byPath.get(source.path) === source) this.#byPath.delete(source.path);
    source.path = path;
    this.#tools.store.put(source.checkpoint);
  }

  /** What is at `path` by now may be another file than was seen there: its descriptor tells. */
  async #openFile(path: string, start: StartRule): Promise<Source> {
    const { budget, store } = this.#tools;
    const { fd, file } = await budget.open(path);
    const present = this.#byFile.get(fileKey(file));
    if (present) {
      budget.close(fd);
      return present;
    }
    try {
      const { known, gone } = await this.#known.take(fd, file);
      for (const { entryUid, generation } of gone) store.remove(entryUid, generation);
      return this.#track(fd, known ?? (await this.#newGeneration(fd, file, start)), file.size);
    } catch (error) {
      budget.close(fd);
      throw error;
    }
  }

  async #newGeneration(fd: number, file: FoundFile, start: StartRule): Promise<Checkpoint> {
    const head = (await compareHead(fd, EMPTY_HEAD)) ?? EMPTY_HEAD;
    const position = start(file) === 'beginning' ? 0 : await lineStartBefore(fd, file.size);
    return { ...this.#mint(file), head, position };
  }

  #mint(file: Omit<FoundFile, 'size' | 'changedMs'>): Checkpoint {
    return newCheckpoint(this.#entryUid, randomBytes(8).toString('hex'), file);
  }

  #track(fd: number, checkpoint: Checkpoint, size: number): Source {
    const { clock, store, logger, onStateChange, onDelivered, once } = this.#tools;
    const onProgress = (source: Source, segment: Segment) => {
      source.lastProgressMs = clock.nowMs();
      source.rate.add(segment.end - segment.start, clock.monotonicMs());
      if (!this.#isClosed(source)) store.put(source.checkpoint);
      onDelivered(segment);
    };
    const source = new Source(fd, checkpoint, size, { onProgress, onStateChange }, clock.monotonicMs());
    source.sealed = once;
    this.#sources.set(source.generation, source);
    this.#byFile.set(fileKey(source), source);
    this.#byPath.set(source.path, source);
    store.put(source.checkpoint);
    logger.debug('reading', { path: source.path, generation: source.generation, from: source.position });
    this.#direct(source);
    return source;
  }

  /** The same file, another life: it begins anew, through the same descriptor. */
  #truncated(source: Source): void {
    if (!this.#sources.delete(source.generation)) return;
    this.#unwanted.delete(source);
    const { entryUid, path, generation, position: start, size: end } = source;
    const { facts, logger } = this.#tools;
    if (end > start) facts.loss({ entryUid, path, generation, start, end, openEnded: true, reason: 'truncated' });
    else logger.info('a file was truncated; what came since it was last looked at is not known', { path, generation });
    source.state = 'CLOSED';
    this.#tools.store.remove(this.#entryUid, source.generation);
    this.#track(source.fd, this.#mint(source), 0);
    this.#tools.onStateChange();
  }

  /** Renamed away or deleted: read on until nothing more comes, then let it go. */
  #leftItsPath(source: Source): void {
    const nowMs = this.#tools.clock.monotonicMs();
    if (source.state === 'READING') {
      source.state = 'DRAINING';
      source.lastGrowthMs = nowMs;
      this.#tools.onStateChange();
    }
    const graceMs = source.unlinked ? UNLINKED_GRACE_MS : RENAMED_GRACE_MS;
    if (source.state !== 'DRAINING' || nowMs - source.lastGrowthMs < graceMs) return;
    if (!source.sealed) {
      source.sealed = true;
      source.wake();
    } else if (source.complete) {
      this.#letGo(source);
    }
  }

  /** The entry does not mean it any more: what was read is delivered, and no more is read. */
  #isUnwanted(source: Source): void {
    source.pause();
    this.#unwanted.add(source);
    if (source.settled) this.#letGo(source);
  }

  #close(source: Source): void {
    if (this.#isClosed(source)) return;
    source.state = 'CLOSED';
    this.#tools.budget.close(source.fd);
  }

  /** Closes the file. A deleted one is forgotten; another may come back, and goes on from where it was. */
  #letGo(source: Source): void {
    this.#close(source);
    this.#unwanted.delete(source);
    this.#sources.delete(source.generation);
    this.#byFile.delete(fileKey(source));
    if (this.#byPath.get(source.path) === source) this.#byPath.delete(source.path);
    if (source.unlinked) this.#tools.store.remove(this.#entryUid, source.generation);
    else this.#known.add(source.checkpoint);
    this.#tools.onStateChange();
  }
}
