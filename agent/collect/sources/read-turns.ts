import assert from 'node:assert/strict';
import type { LineFormat } from '../../encode/line-format.ts';
import type { Workbench } from '../../encode/work-pool.ts';
import type { Fingerprint } from '../../model/fingerprint.ts';
import type { AcknowledgedProgress } from '../../model/position.ts';
import type { InheritedRanges, IntentSegment } from '../../model/segment.ts';
import type { RouteSource, SourceTurn } from '../../produce/route-source.ts';
import type { Replay, ReplayStore } from '../../state/replay-store.ts';
import { Replays } from '../read/replays.ts';
import { type ReadableFile, SegmentReader } from '../read/segment-reader.ts';
import type { UnwrittenTail } from '../read/unwritten-bytes.ts';

/** What one turn of a source yielded. */
export interface Turn extends SourceTurn {
  /** Bytes that count for rate limits. */
  consumed: number;
  /** The file is written at least so far. */
  seen: number;
  /** Lines wait for other lines: read again after this time. */
  againInMs?: number | undefined;
  /** It read on at the position, and not a range again. */
  isForward?: boolean;
  /** The file's end, as far as it is preallocated. */
  tail?: UnwrittenTail | undefined;
}

/**
 * What one generation still has to send: lines that were never read, ranges that were returned, and
 * replays. Each turn reads one segment. Counts the segments whose outcome is unknown.
 */
export class ReadTurns {
  readonly #reader: SegmentReader;
  /** Made when the first replay begins. */
  #replays: Replays | undefined;
  /** Segments that are being sent, or that the previous process may have sent. */
  #outstanding: number;
  #isReading = false;
  /** Bytes before it were read. What they have after the last whole record is incomplete. */
  #readTo = 0;

  constructor(progress: AcknowledgedProgress, { open, returned }: InheritedRanges) {
    this.#reader = SegmentReader.fromProgress(progress, open, returned);
    this.#outstanding = open.length;
  }

  /** First-time reads continue here. */
  get position(): number {
    return this.#reader.position;
  }

  /** Bytes before it were read, perhaps to be read again. */
  get furthest(): number {
    return this.#reader.furthest;
  }

  /** The generation continues in a file that has `size` bytes. */
  continueInCopy(size: number): void {
    this.#reader.continueInCopy(size);
  }

  /** Bytes before it are in segments, or belong to a record that is incomplete. */
  get readTo(): number {
    return this.#readTo;
  }

  get isReturning(): boolean {
    return this.#reader.returned.first !== undefined;
  }

  /** The replay that is running. */
  get replay(): Replay | undefined {
    return this.#replays?.current;
  }

  get replayIsNext(): boolean {
    return this.#replays?.isNext === true;
  }

  /** Whether the outcome of every segment is known. */
  get settled(): boolean {
    return this.#outstanding === 0;
  }

  /** Whether a file of this size has something to read. */
  hasUnread(size: number): boolean {
    return size > this.position || this.isReturning || this.#replays?.hasUnread === true;
  }

  /** Whether the next read of `fd` detects by itself that the file was replaced. */
  detectsReplacement(fd: number): boolean {
    return this.#reader.detectsReplacement(fd);
  }

  /**
   * Reads one segment of at most `allowed` bytes. undefined: the file was truncated or replaced.
   * Rejects with the system's error.
   */
  async next(
    bench: Workbench,
    format: LineFormat,
    source: ReadableFile & RouteSource & { generation: string },
    nowMs: number,
    allowed: number | undefined,
  ): Promise<Turn | undefined> {
    const replayed = this.#replays && (await this.#replays.turn(bench, format, source, nowMs, allowed));
    if (replayed) {
      const { segment } = replayed;
      if (segment) this.#outstanding++;
      return { ...replayed, seen: 0, consumed: segment ? segment.end - segment.start : 0 };
    }
    this.#reader.rewind();
    const { furthest } = this;
    const from = this.isReturning ? undefined : this.position;
    const reading = await this.#read(bench, format, source, nowMs, allowed);
    if (!reading) return undefined;
    const { segment: read, more: hasMore, full: isFull, seen, tail } = reading;
    const { againInMs } = reading;
    const isForward = from !== undefined;
    if (againInMs === undefined && !hasMore) this.#readTo = seen;
    if (!read) return { segment: undefined, hasMore, isFull, seen, againInMs, tail, isForward, consumed: 0 };
    assert(from === undefined || read.start === from, 'a segment does not begin where the one before it ends');
    assert(read.end >= read.start && read.rangeStart <= read.end, 'a segment ends before it begins');
    this.#outstanding++;
    const segment = { ...read, source, generation: source.generation };
    // Limits count neither what is read again nor holes and the skipped bytes of over-long lines.
    const sent = read.end - read.start - (read.cut?.bytes ?? 0) - (read.holeBytes ?? 0);
    const consumed = isForward && read.start >= furthest ? sent : 0;
    return { segment, hasMore, isFull, seen, againInMs, tail, isForward, consumed };
  }

  /** Begins to send a range again. `inherited`: what the previous process sent of it. */
  beginReplay(replay: Replay, store: ReplayStore, inherited: Pick<InheritedRanges, 'open' | 'returned'>): void {
    this.#replays ??= new Replays(store);
    this.#outstanding += inherited.open.length;
    this.#replays.add(replay, inherited);
  }

  acknowledged(segment: IntentSegment): void {
    this.#settle();
    if (segment.replay !== undefined) this.#replays?.acknowledged(segment);
  }

  returned(segment: IntentSegment): void {
    this.#settle();
    if (segment.replay !== undefined) {
      this.#replays?.returned(segment);
      return;
    }
    this.#reader.returned.add(segment);
    this.#readTo = Math.min(this.#readTo, segment.start);
    if (!this.#isReading) this.#reader.rewind();
  }

  async #read(...args: Parameters<SegmentReader['read']>): ReturnType<SegmentReader['read']> {
    this.#isReading = true;
    try {
      return await this.#reader.read(...args);
    } finally {
      this.#isReading = false;
    }
  }

  /** Frees what can be made again. */
  releaseCaches(): void {
    this.#reader.releaseCaches();
    this.#replays?.releaseCaches();
  }

  #settle(): void {
    this.#outstanding--;
    assert(this.#outstanding >= 0, 'a segment has two outcomes');
  }
}

/**
 * Whether a file is open, and something was written to it when it was last observed. Else it may
 * become an archive, which is not read, so it is observed first.
 */
export function isReadable(file: ObservedFile): boolean {
  return file.isOpen && (file.size > 0 || file.position > 0 || file.fingerprint.head.bytes > 0);
}

interface ObservedFile {
  readonly isOpen: boolean;
  /** How much of it is written, as far as that is known. */
  readonly size: number;
  readonly position: number;
  readonly fingerprint: Fingerprint;
}
