import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants, open as openCallback } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Segment } from '../deliver/route.ts';
import type { Checkpoint, CheckpointStore } from './checkpoint-store.ts';
import type { FoundFile } from './discovery.ts';
import { compareHead, EMPTY_HEAD, lineStartBefore } from './file-head.ts';
import { Source } from './source.ts';

const open = promisify(openCallback);

/** How long a file that has left its path is kept open after it last grew, for writers that have not noticed. */
const RENAMED_GRACE_MS = 5 * 60_000;
const UNLINKED_GRACE_MS = 5_000;

export interface SourceSetTools {
  clock: Clock;
  logger: Logger;
  store: CheckpointStore;
  /** Files are complete as they are: an unterminated last line goes at once. */
  once: boolean;
  onDelivered(segment: Segment): void;
  onStateChange(): void;
}

/** Where a file met for the first time is read from. */
export type StartRule = (stat: BigIntStats) => 'beginning' | 'end';

/** The generations that one entry reads: recognises files, follows renames, notices truncation, lets go of what is complete. */
export class SourceSet {
  readonly #entryUid: string;
  readonly #tools: SourceSetTools;
  readonly #direct: (source: Source) => void;
  readonly #sources = new Map<string, Source>();
  /** What the state knows and no file has been recognised as yet. */
  readonly #checkpoints: Map<string, Checkpoint>;

  /** `direct` sets a new source going. */
  constructor(entryUid: string, tools: SourceSetTools, direct: (source: Source) => void) {
    this.#entryUid = entryUid;
    this.#tools = tools;
    this.#direct = direct;
    this.#checkpoints = new Map(tools.store.load(entryUid).map((checkpoint) => [checkpoint.generation, checkpoint]));
  }

  [Symbol.iterator](): Iterator<Source> {
    return this.#sources.values();
  }

  /** Takes in the files found by a scan and looks at each source; returns the errors by path. */
  async reconcile(files: readonly FoundFile[], start: StartRule): Promise<Map<string, string>> {
    const errors = new Map<string, string>();
    const present = new Set<Source>();
    for (const { path, stat } of files) {
      try {
        const source = this.#sourceOf(stat) ?? (await this.#openFile(path, stat, start));
        if (!present.has(source)) this.#isAt(source, path);
        present.add(source);
      } catch (error) {
        errors.set(path, errorText(error));
      }
    }
    for (const source of [...this.#sources.values()]) {
      await this.look(source);
      if (!present.has(source)) this.#leftItsPath(source);
    }
    return errors;
  }

  /** Looks whether the file has grown, was truncated, or can't be read. */
  async look(source: Source): Promise<void> {
    if (source.state === 'CLOSED') return;
    try {
      if ((await source.look(this.#tools.clock.monotonicMs())) === 'truncated') this.#truncated(source);
    } catch (error) {
      // The descriptor may have been closed meanwhile, when the agent stops.
      if (!this.#isClosed(source)) source.failed(error as Error);
    }
  }

  /** Closes the files; their positions stay. */
  close(): void {
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
  }

  #isClosed(source: Source): boolean {
    return source.state === 'CLOSED';
  }

  #sourceOf(stat: BigIntStats): Source | undefined {
    for (const source of this.#sources.values()) {
      if (source.inode === stat.ino && source.device === stat.dev) return source;
    }
    return undefined;
  }

  /** The file is at a path of the entry's, perhaps another than before. */
  #isAt(source: Source, path: string): void {
    if (source.state === 'DRAINING') source.state = 'READING';
    if (source.path === path) return;
    source.path = path;
    this.#tools.store.put(source.checkpoint);
  }

  async #openFile(path: string, stat: BigIntStats, start: StartRule): Promise<Source> {
    const fd = await open(path, constants.O_RDONLY);
    const known = await this.#recognise(fd, stat);
    return this.#track(fd, known ?? (await this.#newGeneration(fd, path, stat, start)), Number(stat.size));
  }

  /** The generation that this file was when the agent last ran. */
  async #recognise(fd: number, stat: BigIntStats): Promise<Checkpoint | undefined> {
    for (const checkpoint of this.#checkpoints.values()) {
      if (checkpoint.inode !== stat.ino || checkpoint.device !== stat.dev) continue;
      this.#checkpoints.delete(checkpoint.generation);
      const head = stat.size >= BigInt(checkpoint.position) ? await compareHead(fd, checkpoint.head) : undefined;
      if (head) return { ...checkpoint, head };
      this.#tools.store.remove(checkpoint.entryUid, checkpoint.generation);
    }
    return undefined;
  }

  async #newGeneration(fd: number, path: string, stat: BigIntStats, start: StartRule): Promise<Checkpoint> {
    const head = (await compareHead(fd, EMPTY_HEAD)) ?? EMPTY_HEAD;
    const position = start(stat) === 'beginning' ? 0 : await lineStartBefore(fd, Number(stat.size));
    return { ...this.#mint(path, stat.dev, stat.ino), head, position };
  }

  #mint(path: string, device: bigint, inode: bigint): Checkpoint {
    const generation = randomBytes(8).toString('hex');
    const where = { topic: '', partition: -1 };
    return { entryUid: this.#entryUid, generation, device, inode, path, head: EMPTY_HEAD, position: 0, ...where };
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
    store.put(source.checkpoint);
    logger.debug('reading', { path: source.path, generation: source.generation, from: source.position });
    this.#direct(source);
    return source;
  }

  /** The same file, another life: it begins anew, through the same descriptor. */
  #truncated(source: Source): void {
    if (!this.#sources.delete(source.generation)) return;
    const unread = source.size - source.position;
    const fields = { path: source.path, generation: source.generation, bytes: unread };
    if (unread > 0) this.#tools.logger.error('a file was truncated before all of it was delivered', fields);
    source.state = 'CLOSED';
    this.#tools.store.remove(this.#entryUid, source.generation);
    this.#track(source.fd, this.#mint(source.path, source.device, source.inode), 0);
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
      source.close();
      this.#sources.delete(source.generation);
      this.#tools.store.remove(this.#entryUid, source.generation);
      this.#tools.onStateChange();
    }
  }
}
