import assert from 'node:assert/strict';
import type { Checkpoint } from '../../model/checkpoint.ts';
import type { LossReason } from '../../model/fact.ts';
import { type FoundFile, fileKey } from '../../model/found-file.ts';
import type { Source } from './source.ts';

/** How a generation's content ceased to exist. */
export interface Ending {
  readonly reason: LossReason;
  /** The generation cannot have had more bytes than were seen. */
  readonly certain: boolean;
}

/**
 * All generations of one entry. Each is in exactly one of three sets:
 * - open: it is read, or would be if it were not paused. Its file may be closed while it is idle.
 * - known: its file may exist and is not read: it is complete, or no scan has found it yet.
 * - ended: its content no longer exists. It is kept until its last segments have an outcome and its
 *   end is recorded.
 */
export class SourceRegistry {
  /** By generation. */
  readonly #open = new Map<string, Source>();
  /** The open source of each file, by fileKey. */
  readonly #byFile = new Map<string, Source>();
  /** The open source that was last seen at each path. */
  readonly #byPath = new Map<string, Source>();
  /** The open source that was last renamed away from each path. */
  readonly #byPreviousPath = new Map<string, Source>();
  /** By inode. */
  readonly #known = new Map<bigint, Checkpoint[]>();
  readonly #ended = new Map<Source, Ending>();
  /** Known generations that the last scan did not find, and that may have bytes to read. */
  missing: readonly Checkpoint[] = [];
  /** Devices by their previous number: a file system may get another one at a boot or a mount. */
  readonly #devices = new Map<bigint, bigint>();
  #opened = 0;

  /** The open sources. */
  [Symbol.iterator](): Iterator<Source> {
    return this.#open.values();
  }

  /** How many sources were opened so far: the `order` of the last one. */
  get opened(): number {
    return this.#opened;
  }

  byFile(file: Pick<FoundFile, 'device' | 'inode'>): Source | undefined {
    return this.#byFile.get(fileKey(file));
  }

  byPath(path: string): Source | undefined {
    return this.#byPath.get(path);
  }

  /** The open sources that are at a path, or were there before they were renamed. */
  nowOrBeforeAt(path: string): Source[] {
    return [this.#byPath.get(path), this.#byPreviousPath.get(path)].filter((source) => source !== undefined);
  }

  isOpen(source: Source): boolean {
    return this.#open.get(source.generation) === source;
  }

  /** Adds an open source. It replaces the previous generation of its file. */
  open(source: Source): void {
    const { generation, path, file } = source;
    assert(!source.isClosed && !this.#open.has(generation), 'a generation is opened twice');
    assert(!this.#ended.has(source), 'a generation that has ended is opened');
    this.#open.set(generation, source);
    source.order = ++this.#opened;
    this.#byFile.set(fileKey(file), source);
    const previous = this.#byPath.get(path);
    if (previous?.file.state.activity !== 'reading') this.#byPath.set(path, source);
  }

  /** An open source was found at `path`. Returns whether it was at another path before. */
  foundAt(source: Source, path: string): boolean {
    const { path: previous } = source;
    this.#byPath.set(path, source);
    if (previous === path) return false;
    deleteIf(this.#byPath, previous, source);
    deleteIf(this.#byPreviousPath, source.file.previousPath, source);
    this.#byPreviousPath.set(previous, source);
    return true;
  }

  /** Removes an open source. */
  close(source: Source): void {
    assert(source.isClosed, 'a source is removed before it is closed');
    if (!this.isOpen(source)) return;
    this.#open.delete(source.generation);
    deleteIf(this.#byFile, fileKey(source.file), source);
    deleteIf(this.#byPath, source.path, source);
    deleteIf(this.#byPreviousPath, source.file.previousPath, source);
  }

  /** The generations whose files are not read. */
  get known(): Checkpoint[] {
    return [...this.#known.values()].flat();
  }

  /** Known generations with the file's inode. It may be another file. */
  knownWithInodeOf({ inode }: Pick<FoundFile, 'inode'>): readonly Checkpoint[] {
    return this.#known.get(inode) ?? [];
  }

  isKnown({ inode, generation }: Checkpoint): boolean {
    return this.knownWithInodeOf({ inode }).some((known) => known.generation === generation);
  }

  addKnown(checkpoint: Checkpoint): void {
    assert(!this.#open.has(checkpoint.generation), 'a generation is open and known');
    this.#known.set(checkpoint.inode, [...this.knownWithInodeOf(checkpoint), checkpoint]);
  }

  removeKnown({ inode, generation }: Checkpoint): void {
    const others = this.knownWithInodeOf({ inode }).filter((other) => other.generation !== generation);
    if (others.length > 0) this.#known.set(inode, others);
    else this.#known.delete(inode);
  }

  /** The present number of a device. */
  deviceNow(device: bigint): bigint {
    return this.#devices.get(device) ?? device;
  }

  /** A file that was on `previous` was found on `device`. */
  deviceFound(previous: bigint, device: bigint): void {
    this.#devices.set(previous, device);
  }

  /** The sources that have ended, the oldest first. */
  get ended(): Source[] {
    return [...this.#ended.keys()];
  }

  endingOf(source: Source): Ending | undefined {
    return this.#ended.get(source);
  }

  /** Adds a source whose content no longer exists. */
  end(source: Source, ending: Ending): void {
    assert(source.isClosed && !this.#open.has(source.generation), 'an open generation has ended');
    this.#ended.set(source, ending);
  }

  /** Removes an ended source: its end is recorded, or it continues in a copy. */
  removeEnded(source: Source): void {
    this.#ended.delete(source);
  }
}

/** Another source may have taken the key since. */
function deleteIf(map: Map<string, Source>, key: string, source: Source): void {
  if (map.get(key) === source) map.delete(key);
}
