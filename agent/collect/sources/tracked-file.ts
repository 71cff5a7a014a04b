import assert from 'node:assert/strict';
import type { Clock } from '../../../runtime/clock.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { ContiguousPosition } from '../../model/contiguous-position.ts';
import {
  type FileMarker,
  type Fingerprint,
  fingerprintWithin,
  type Observation,
  withMarker,
} from '../../model/fingerprint.ts';
import type { FoundFile, OpenFile, RealFolder } from '../../model/found-file.ts';
import { type CoveredRange, coveredRange } from '../../model/position.ts';
import type { IntentSegment } from '../../model/segment.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import { observeFile } from '../files/observe-file.ts';
import { isSameFolder, realFolder } from '../files/real-folder.ts';
import { Pace, paceWithBacklog } from '../lag/pace.ts';
import { GenerationState } from './generation-state.ts';
import type { LifecycleEvent, LifecycleState, StateChange } from './lifecycle.ts';
import type { Turn } from './read-turns.ts';
import { pollMs, WrittenSize } from './written-size.ts';

/**
 * What an observation found. notOpened: the file could not be opened now. learned: the checkpoint
 * has changed. truncated: the file holds another generation. replaced: it was closed, and another
 * file has its inode number. archive: the file was empty and is an archive now.
 */
export type ObservationOutcome = 'notOpened' | 'unchanged' | 'learned' | 'truncated' | 'replaced' | 'archive';

/** Who reads the file, as far as an observation depends on it. */
export interface ObservedReader {
  /** Bytes before it were read. */
  readonly furthestRead: number;
  /** Opens the file again. false: it cannot be opened now. */
  reopen(): Promise<boolean>;
}

/**
 * What is known of one generation: the file that holds it, what of it is acknowledged, and its
 * state. Only its methods change it.
 */
export class TrackedFile {
  readonly entryUid: string;
  readonly generation: string;
  /** The position at which the agent began to read. */
  readonly first: number;
  readonly #firstReason: Checkpoint['firstReason'];
  device: bigint;
  inode: bigint;
  /** 0: unknown. */
  birthMs: number;
  path: string;
  /** Where the file lay at the last observation. undefined: unknown. */
  folder: RealFolder | undefined;
  /** The path before the last rename. Empty: the file was not renamed while it was open. */
  previousPath = '';
  /** Where its lines are sent. The partition is -1 as long as there is none. */
  topic: string;
  partition: number;
  fingerprint: Fingerprint;
  /** The ctime of the last observation. 0: the next scan observes the file in any case. */
  ctimeNs = 0n;
  #size: WrittenSize;
  /** No path leads to the file any more. */
  unlinked = false;
  /** When the file was last seen to grow, was opened, or left its path. Monotonic. */
  lastGrowthMs: number;
  /** Undefined as long as the file has neither grown nor been read. */
  pace: Pace | undefined;
  /** When Kafka last acknowledged a segment, ms since the epoch. 0: not yet. */
  lastAcknowledgedMs = 0;
  /** A read found that the file was truncated or replaced. */
  replaced = false;
  /** The file at its descriptor is another one, with the same inode number. */
  successor: FoundFile | undefined;
  #fd = NOT_OPEN;
  /** How many observations are running. */
  #observing = 0;
  readonly #state: GenerationState;
  readonly #progress: ContiguousPosition;

  /** `acknowledged`: what Kafka was found to have beyond the checkpoint. */
  constructor(checkpoint: Checkpoint, acknowledged: readonly CoveredRange[], size: number, nowMs: number) {
    assert(checkpoint.rangeEnd >= checkpoint.first, 'a range begins before the generation is read');
    this.#progress = new ContiguousPosition({ ...checkpoint, ahead: [...checkpoint.ahead, ...acknowledged] });
    this.#state = new GenerationState(checkpoint.phase);
    this.entryUid = checkpoint.entryUid;
    this.generation = checkpoint.generation;
    this.first = checkpoint.first;
    this.#firstReason = checkpoint.firstReason;
    this.device = checkpoint.device;
    this.inode = checkpoint.inode;
    this.birthMs = checkpoint.birthMs;
    this.path = checkpoint.path;
    this.folder = checkpoint.folder;
    this.topic = checkpoint.topic;
    this.partition = checkpoint.partition;
    this.fingerprint = { head: checkpoint.head, markers: checkpoint.markers };
    this.#size = new WrittenSize(size);
    this.lastGrowthMs = nowMs;
  }

  /** `size`: what the file has at least. */
  startTracking(size: number, checkpoint: Checkpoint, clock: Clock): void {
    this.#size = new WrittenSize(size);
    this.pace = paceWithBacklog(checkpoint, this.position, size, clock);
  }

  get state(): LifecycleState {
    return this.#state.state;
  }

  /** How many bytes were written, as far as that is known. */
  get size(): number {
    return this.#size.value;
  }

  /** With what is preallocated at the file's end. */
  get fileSize(): number {
    return this.#size.fileSize;
  }

  /** When to look again at the file's unwritten end, ms. undefined: it has none. */
  pollMs(nowMs: number): number | undefined {
    return this.#size.hasUnwrittenEnd ? pollMs(nowMs - this.lastGrowthMs) : undefined;
  }

  /** The file's unwritten end may have been written to: it must be read again. */
  get isTailInDoubt(): boolean {
    return this.#size.isInDoubt;
  }

  /** The descriptor, or NOT_OPEN. */
  get fd(): number {
    return this.#fd;
  }

  get isOpen(): boolean {
    return this.#fd !== NOT_OPEN;
  }

  /** An observation is running. */
  get isObserved(): boolean {
    return this.#observing > 0;
  }

  /** Every line before it is acknowledged. */
  get position(): number {
    return this.#progress.value;
  }

  get checkpoint(): Checkpoint {
    const { entryUid, generation, first, device, inode, path, folder, birthMs, size, ctimeNs } = this;
    const { topic, partition } = this;
    const { phase } = this.#state.state;
    const begun = { first, firstReason: this.#firstReason };
    const file = { device, inode, path, folder, birthMs, size, ctimeNs, ...this.fingerprint };
    return { entryUid, generation, ...begun, phase, topic, partition, ...file, ...this.#progress.progress };
  }

  /** An event of its lifecycle. See GenerationState.apply. */
  apply(event: LifecycleEvent, wallMs: number): boolean {
    return this.#state.apply(event, wallMs);
  }

  get history(): readonly StateChange[] {
    return this.#state.history;
  }

  /** The file was opened at `fd`, or another one that has its inode number. */
  attach(fd: number, successor?: FoundFile): void {
    assert(!this.isOpen, 'a source has two descriptors');
    this.#fd = fd;
    this.successor = successor;
  }

  /** Hands the descriptor over to the caller. */
  detach(): number {
    const fd = this.#fd;
    this.#fd = NOT_OPEN;
    return fd;
  }

  /** The file was compared when it had this ctime. Until it changes, no observation is needed. */
  compared(ctimeNs: bigint): void {
    this.ctimeNs = ctimeNs;
  }

  /**
   * Observes the file. `wallMs`: the time now, ms since the epoch. Rejects with the system's error.
   */
  async observe(reader: ObservedReader, nowMs: number, wallMs: number): Promise<ObservationOutcome> {
    this.#observing++;
    try {
      if (!this.isOpen && !(await reader.reopen())) return 'notOpened';
      if (this.successor) return 'replaced';
      // The file may grow and be read meanwhile: compare with the position before the observation.
      const { furthestRead: read } = reader;
      const seen = await observeFile(this.#fd, this.fingerprint, { read, written: this.size }, wallMs);
      if (!seen || this.replaced) return 'truncated';
      if (seen.isArchive) return 'archive';
      const moved = await this.#noteFolder();
      const now = reader.furthestRead;
      const sizes = { size: Math.max(seen.size, now), written: seen.written && Math.max(seen.written, now) };
      return this.#learn({ ...seen, ...sizes }, nowMs) || moved ? 'learned' : 'unchanged';
    } finally {
      this.#observing--;
    }
  }

  /** Returns whether the file lies in another folder than before, or its folder was renamed. */
  async #noteFolder(): Promise<boolean> {
    const folder = await realFolder(this.#fd);
    if (!folder || isSameFolder(folder, this.folder)) return false;
    this.folder = folder;
    return true;
  }

  /** Notes an observation. Returns whether the checkpoint has changed. */
  #learn(seen: Observation, nowMs: number): boolean {
    const { head } = this.fingerprint;
    const grown = this.#size.noteObserved(seen.written, seen.size);
    this.#noteGrowth(grown, nowMs);
    const learned = seen.head !== head || seen.marker !== undefined || grown > 0;
    this.birthMs ||= seen.birthMs;
    if (seen.head !== head) this.fingerprint = { ...this.fingerprint, head: seen.head };
    this.#noteMarker(seen.marker);
    [this.unlinked, this.ctimeNs] = [seen.unlinked, seen.ctimeNs];
    return learned;
  }

  /** A read showed how far the file is written, at least, and the bytes before a marker. */
  noteRead({ seen, segment, isForward, tail }: Turn, nowMs: number): void {
    this.#noteGrowth(this.#size.growTo(seen), nowMs);
    this.#noteMarker(segment?.marker);
    if (isForward) this.#size.noteTail(tail);
  }

  #noteMarker(marker: FileMarker | undefined): void {
    const { head, markers } = this.fingerprint;
    if (marker) this.fingerprint = { head, markers: withMarker(markers, marker) };
  }

  /** `wallMs`: the time now, ms since the epoch. */
  acknowledge(segment: IntentSegment, nowMs: number, wallMs: number): void {
    const before = this.position;
    this.#progress.add(coveredRange(segment));
    assert(this.position >= before, 'an acknowledgement moves the position back');
    this.lastAcknowledgedMs = wallMs;
    this.pace ??= new Pace(nowMs);
    this.pace.acknowledged(segment.end - segment.start - (segment.holeBytes ?? 0), nowMs, this.position >= this.size);
  }

  #noteGrowth(bytes: number, nowMs: number): void {
    if (bytes <= 0) return;
    this.pace ??= new Pace(nowMs);
    this.pace.fileGrew(bytes, this.size, nowMs);
    this.lastGrowthMs = nowMs;
  }

  /** Lines are sent to this partition from now on. */
  assign({ topic, partition }: { topic: string; partition: number }): void {
    [this.topic, this.partition] = [topic, partition];
  }

  /** The partition that it has in `topic`, -1 if none. */
  partitionIn(topic: string): number {
    return topic === this.topic ? this.partition : -1;
  }

  /** Its grace period begins now. */
  restartGrace(nowMs: number): void {
    this.lastGrowthMs = nowMs;
  }

  /** A read found that the file was truncated or replaced: the next observation says so. */
  markReplaced(): void {
    this.replaced = true;
  }

  /** The unwritten end of the file, if that is open, may have been written to. */
  doubtTail(): void {
    if (this.isOpen) this.#size.doubt();
  }

  /** The file was found at another path. */
  rename(path: string): void {
    [this.previousPath, this.path] = [this.path, path];
  }

  /** The generation continues in `file`, a copy of its file. */
  continueIn(file: OpenFile): void {
    [this.device, this.inode, this.path, this.birthMs] = [file.device, file.inode, file.path, file.birthMs];
    this.folder = file.folder;
    this.#size = new WrittenSize(file.written);
    [this.ctimeNs, this.unlinked, this.replaced] = [0n, false, false];
    this.fingerprint = fingerprintWithin(this.fingerprint, file.written);
  }
}
