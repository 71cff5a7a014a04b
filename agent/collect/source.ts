import { type Clock, systemClock } from '../../runtime/clock.ts';
import type { LineFormat } from '../deliver/line-format.ts';
import type { Filled, Route, RouteSource } from '../deliver/route.ts';
import type { Workbench } from '../deliver/work-pool.ts';
import type { Checkpoint } from '../state/checkpoint-store.ts';
import type { IntentSegment } from '../state/intent-store.ts';
import { ContiguousPosition, gapsIn } from './contiguous-position.ts';
import { encodeSegment } from './encode-segment.ts';
import { compareHead, EMPTY_HEAD, type FileHead } from './file-head.ts';
import { fstat } from './file-io.ts';
import type { Inherited } from './former-batches.ts';
import { RateMeter } from './rate-meter.ts';
import { gapAt } from './returned-ranges.ts';
import { SegmentReader } from './segment-reader.ts';
import { SourceErrors } from './source-errors.ts';

const NOTHING: Filled = { segment: undefined, more: false, full: false };

/** Told by a source to whoever keeps it. */
export interface SourceEvents {
  /** The acknowledged position moved. */
  onProgress(source: Source, segment: IntentSegment): void;
  /** A read failed, or works again. */
  onStateChange(source: Source): void;
}

/**
 * One generation of one file, read for one entry. READING ⇄ PAUSED; DRAINING once the file has left its path; CLOSED at the end.
 * Reading is stateless but for one position: half lines are read again, from the page cache, when the rest has come.
 */
export class Source implements RouteSource {
  readonly entryUid: string;
  readonly generation: string;
  readonly device: bigint;
  readonly inode: bigint;
  readonly bornMs: number;
  readonly fd: number;
  readonly rate = new RateMeter();
  readonly #events: SourceEvents;
  readonly #clock: Clock;
  readonly #reader: SegmentReader;
  #format: LineFormat | undefined;
  #route: Route | undefined;
  readonly #delivered: ContiguousPosition;
  #head: FileHead;
  #busy = false;
  #wokenMeanwhile = false;
  /** Until lines that wait for others of their record have waited long enough. */
  #waiting: AbortController | undefined;
  #outstanding = 0;
  readonly #errors: SourceErrors;
  #topic: string;
  #partition: number;
  path: string;
  state: 'READING' | 'PAUSED' | 'DRAINING' | 'CLOSED' = 'READING';
  /** The file is complete: an unterminated last line goes too. */
  sealed = false;
  /** No path leads to the file any more. */
  unlinked = false;
  size: number;
  lastProgressMs = 0;
  /** When the file was last seen to grow, or was opened; monotonic. */
  lastGrowthMs: number;

  constructor(
    fd: number,
    checkpoint: Checkpoint,
    { open, delivered }: Inherited,
    size: number,
    events: SourceEvents,
    nowMs: number,
    clock = systemClock,
  ) {
    this.fd = fd;
    this.entryUid = checkpoint.entryUid;
    this.generation = checkpoint.generation;
    this.device = checkpoint.device;
    this.inode = checkpoint.inode;
    this.bornMs = checkpoint.bornMs;
    this.path = checkpoint.path;
    this.#head = checkpoint.head;
    this.#delivered = new ContiguousPosition(checkpoint.position, [...checkpoint.ahead, ...delivered]);
    this.#outstanding = open.length;
    const under = open.map(({ start, end }) => [start, end] as const);
    const { gaps, end } = gapsIn([...this.#delivered.ahead, ...under], this.#delivered.value);
    this.#reader = new SegmentReader(fd, end);
    for (const [start, stop] of gaps) this.#reader.returned.add(gapAt(start, stop));
    this.#clock = clock;
    this.#topic = checkpoint.topic;
    this.#partition = checkpoint.partition;
    this.size = size;
    this.lastGrowthMs = nowMs;
    this.#events = events;
    this.#errors = new SourceErrors(() => events.onStateChange(this));
  }

  /** Every line before it is in Kafka. */
  get position(): number {
    return this.#delivered.value;
  }

  /** All that the file has is in Kafka; nothing is on its way. */
  get complete(): boolean {
    return this.#outstanding === 0 && !this.#reader.returned.first && !this.#busy && this.position >= this.size;
  }

  /** Nothing is on its way. */
  get settled(): boolean {
    return this.#outstanding === 0 && !this.#busy;
  }

  get checkpoint(): Checkpoint {
    const { entryUid, generation, device, inode, path, bornMs, size, position } = this;
    const file = { entryUid, generation, device, inode, path, bornMs, size, head: this.#head };
    const { ahead } = this.#delivered;
    return { ...file, position, marker: EMPTY_HEAD, ahead, topic: this.#topic, partition: this.#partition };
  }

  /** The partition it had in `topic`, -1 when it had none. */
  partitionIn(topic: string): number {
    return topic === this.#topic ? this.#partition : -1;
  }

  isOn(route: Route): boolean {
    return route === this.#route && (this.state === 'READING' || this.state === 'DRAINING');
  }

  /** From the next line on, lines go by `route` in `format`; what is on its way elsewhere arrives there. */
  assign(route: Route, format: LineFormat): void {
    this.#route = route;
    this.#format = format;
    this.#topic = route.producer.at.topic;
    this.#partition = route.producer.at.partition;
    this.wake();
  }

  /** Lines go nowhere until the next `assign`. */
  unassign(): void {
    this.#route = undefined;
  }

  /** Stops reading; what is on its way may still arrive. */
  pause(): void {
    if (this.state !== 'CLOSED') this.state = 'PAUSED';
    this.#waiting?.abort();
  }

  resume(): void {
    if (this.state === 'PAUSED') this.state = 'READING';
    this.wake();
  }

  wake(): void {
    this.#wokenMeanwhile = true;
    if (this.#route && this.isOn(this.#route)) this.#route.wake(this);
  }

  /**
   * Looks at the file as it is now, and goes on reading when it has grown. `learned`: more of its head is known, for the checkpoint. Rejects
   * with the system's error.
   */
  async look(nowMs: number): Promise<'same' | 'learned' | 'truncated'> {
    // The file may grow and be read on while it is looked at: only what was read before is known to have been there.
    const readBefore = this.#reader.position;
    const stat = await fstat(this.fd, { bigint: true });
    const size = Math.max(Number(stat.size), this.#reader.position);
    this.unlinked = stat.nlink === 0n;
    const head = await compareHead(this.fd, this.#head);
    if (stat.size < readBefore || !head) return 'truncated';
    const learned = head !== this.#head;
    this.#head = head;
    this.#errors.became('look', '');
    if (size > this.size) this.lastGrowthMs = nowMs;
    this.size = size;
    if (size > this.#reader.position || this.#reader.returned.first) this.wake();
    return learned ? 'learned' : 'same';
  }

  async fill(bench: Workbench): Promise<Filled> {
    const format = this.#format;
    if (this.#busy || !format) return NOTHING;
    this.#busy = true;
    this.#wokenMeanwhile = false;
    try {
      const filled = await this.#read(bench, format);
      this.#errors.became('read', '');
      return { ...filled, more: filled.more || this.#wokenMeanwhile };
    } catch (error) {
      this.#errors.became('read', (error as Error).message);
      return NOTHING;
    } finally {
      this.#busy = false;
      if (this.#wokenMeanwhile) this.wake();
    }
  }

  encodeAgain(segment: IntentSegment, bench: Workbench): Promise<void> {
    return encodeSegment(this, segment, bench);
  }

  delivered(segment: IntentSegment): void {
    this.#outstanding--;
    this.#delivered.cover(segment.start, segment.end);
    this.#events.onProgress(this, segment);
  }

  returned(segment: IntentSegment): void {
    this.#outstanding--;
    this.#reader.returned.add(segment);
    this.wake();
  }

  /** Tells that the file could not be looked at; that is tried again. */
  failed(error: Error): void {
    this.#errors.became('look', error.message);
  }

  /** What is wrong with the file; empty when all is well. */
  get lastError(): string {
    return this.#errors.last;
  }

  async #read(bench: Workbench, format: LineFormat): Promise<Filled> {
    const {
      segment: read,
      more,
      full,
      seen,
      againInMs,
    } = await this.#reader.read(bench, format, this, this.#clock.monotonicMs());
    this.size = Math.max(this.size, seen);
    if (againInMs !== undefined) this.#wakeIn(againInMs);
    if (!read) return { segment: undefined, more, full };
    const segment = { ...read, source: this, generation: this.generation };
    this.#outstanding++;
    if (segment.lines > 0) return { segment, more, full };
    // Nothing of it is to be sent.
    this.delivered(segment);
    return { segment: undefined, more, full };
  }

  #wakeIn(ms: number): void {
    if (this.#waiting) return;
    const waiting = new AbortController();
    this.#waiting = waiting;
    const over = () => {
      this.#waiting = undefined;
      if (!waiting.signal.aborted) this.wake();
    };
    this.#clock.sleep(ms, waiting.signal).then(over, over);
  }
}
