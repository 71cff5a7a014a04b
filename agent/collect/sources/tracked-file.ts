import type { Checkpoint } from '../../model/checkpoint.ts';
import { ContiguousPosition } from '../../model/contiguous-position.ts';
import type { Fingerprint, Observation } from '../../model/fingerprint.ts';
import { knownBirthMs } from '../../model/fingerprint.ts';
import type { FoundFile } from '../../model/found-file.ts';
import { type CoveredRange, coveredRange } from '../../model/position.ts';
import type { InheritedRanges, IntentSegment } from '../../model/segment.ts';
import type { Replay, ReplayStore } from '../../state/replay-store.ts';
import { Pace } from '../lag/pace.ts';
import { Replays } from '../read/replays.ts';
import type { ScanSightings } from './scan.ts';

/** What is known of one generation and of the file that it is in. */
export class TrackedFile {
  readonly entryUid: string;
  readonly generation: string;
  readonly first: number;
  device: bigint;
  inode: bigint;
  birthMs: number;
  path: string;
  /** Where it was before it was renamed, when that is known. */
  formerPath = '';
  phase: Checkpoint['phase'];
  /** Where its lines go; -1 when there is no partition yet. */
  topic: string;
  partition: number;
  life: Fingerprint;
  ctimeNs = 0n;
  /** The file is complete: an unterminated last line goes too. */
  sealed = false;
  /** No path leads to the file any more. */
  unlinked = false;
  /** A read has seen that the file is another life by now. */
  replaced = false;
  size: number;
  /** When the file was last seen to grow, or was opened; monotonic. */
  lastGrowthMs: number;
  /** Undefined as long as it has neither grown nor been read. */
  pace: Pace | undefined;

  /** Segments on their way. */
  protected outstanding = 0;
  /** What of it is sent once more; made when there is something. */
  replays: Replays | undefined;

  /** How many were tracked before it, and itself. */
  order = 0;
  /** The last scan that found the file, and how: see Presence. */
  metBy: ScanSightings | undefined;
  metAs: FoundFile | undefined;

  readonly #acknowledged: ContiguousPosition;

  /** `delivered`: what Kafka has besides, as its logs say. */
  constructor(checkpoint: Checkpoint, delivered: readonly CoveredRange[], size: number, nowMs: number) {
    this.#acknowledged = new ContiguousPosition({ ...checkpoint, ahead: [...checkpoint.ahead, ...delivered] });
    this.entryUid = checkpoint.entryUid;
    this.generation = checkpoint.generation;
    this.first = checkpoint.first;
    this.device = checkpoint.device;
    this.inode = checkpoint.inode;
    this.birthMs = checkpoint.birthMs;
    this.path = checkpoint.path;
    this.phase = checkpoint.phase;
    this.topic = checkpoint.topic;
    this.partition = checkpoint.partition;
    this.life = { head: checkpoint.head, marker: checkpoint.marker };
    this.size = size;
    this.lastGrowthMs = nowMs;
  }

  /** Every line before it is in Kafka. */
  get position(): number {
    return this.#acknowledged.value;
  }

  /** What of it goes into its checkpoint. */
  get checkpoint(): Checkpoint {
    const { entryUid, generation, first, device, inode, path, birthMs, size, ctimeNs, phase } = this;
    const { topic, partition } = this;
    const { head, marker } = this.life;
    const file = { device, inode, path, birthMs, size, ctimeNs, head, marker };
    return { entryUid, generation, first, phase, topic, partition, ...file, ...this.#acknowledged.progress };
  }

  /** The partition it had in `topic`, -1 when it had none. */
  partitionIn(topic: string): number {
    return topic === this.topic ? this.partition : -1;
  }

  /** A part of it is to be sent once more. */
  replay(replay: Replay, store: ReplayStore, inherited: Pick<InheritedRanges, 'open' | 'returned'>): void {
    this.replays ??= new Replays(store);
    this.outstanding += inherited.open.length;
    this.replays.add(replay, inherited);
  }

  /** Takes in what was seen of the file; returns whether there is anything new for the checkpoint. */
  protected learn(seen: Observation, nowMs: number): boolean {
    const learned = seen.head !== this.life.head || seen.marker !== this.life.marker || seen.size > this.size;
    this.reaches(seen.size, nowMs);
    this.birthMs ||= seen.birthMs;
    if (learned) this.life = { head: seen.head, marker: seen.marker };
    [this.size, this.unlinked, this.ctimeNs] = [seen.size, seen.unlinked, seen.ctimeNs];
    return learned;
  }

  /** Kafka has it. */
  protected advance(segment: IntentSegment, nowMs: number): void {
    this.#acknowledged.add(coveredRange(segment));
    this.pace ??= new Pace(nowMs);
    this.pace.acknowledged(segment.end - segment.start, nowMs, this.position >= this.size);
  }

  /** The file is at least so large. */
  protected reaches(size: number, nowMs: number): void {
    if (size <= this.size) return;
    this.pace ??= new Pace(nowMs);
    this.pace.fileGrew(size - this.size, size, nowMs);
    [this.size, this.lastGrowthMs] = [size, nowMs];
  }

  /** It goes on in another file. */
  protected isNow(file: FoundFile): void {
    [this.device, this.inode, this.path, this.birthMs] = [file.device, file.inode, file.path, knownBirthMs(file)];
    [this.size, this.ctimeNs, this.unlinked] = [file.size, 0n, false];
    [this.phase, this.replaced] = ['live', false];
  }
}
