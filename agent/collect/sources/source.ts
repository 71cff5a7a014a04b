import type { Clock } from '../../../runtime/clock.ts';
import type { LineFormat } from '../../encode/line-format.ts';
import type { Workbench } from '../../encode/work-pool.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import type { FoundFile } from '../../model/found-file.ts';
import type { InheritedRanges, IntentSegment } from '../../model/segment.ts';
import type { Route } from '../../produce/route.ts';
import type { RouteSource, SourceTurn } from '../../produce/route-source.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import { observeFile } from '../files/observe-file.ts';
import { paceWithBacklog } from '../lag/pace.ts';
import { encodeSegment } from '../read/encode-segment.ts';
import { SegmentReader } from '../read/segment-reader.ts';
import { WakeTimer } from '../read/wake-timer.ts';
import type { FormatOf } from './line-formats.ts';
import { SourceErrors } from './source-errors.ts';
import type { Seen, SourceEvents } from './source-events.ts';
import { TrackedFile } from './tracked-file.ts';

const NOTHING: SourceTurn = { segment: undefined, hasMore: false, isFull: false };

/**
 * One generation of one file, read for one entry. READING ⇄ PAUSED; DRAINING once the file has left its path; CLOSED at the end.
 * Reading is stateless but for one position: half lines are read again, from the page cache, when the rest has come.
 */
export class Source extends TrackedFile implements RouteSource {
  fd: number;
  /** What is wrong with the file. */
  readonly errors: SourceErrors;
  readonly events: SourceEvents;
  readonly #reader: SegmentReader;
  /** Made when the first line is read: thousands of sources have none to read. */
  #format: LineFormat | undefined;
  #formatOf: FormatOf | undefined;
  /** Where the file was when it was assigned. */
  #assignedPath = '';
  readonly #clock: Clock;
  #timer: WakeTimer | undefined;
  #route: Route | undefined;
  #looks = 0;
  #busy = false;
  #wokenMeanwhile = false;
  /** Behind what was read there was no whole record up to here. */
  #readTo = 0;
  state: 'READING' | 'PAUSED' | 'DRAINING' | 'CLOSED' = 'READING';
  lastProgressMs = 0;

  constructor(
    fd: number,
    checkpoint: Checkpoint,
    { open, acknowledged: delivered, returned }: InheritedRanges,
    size: number,
    events: SourceEvents,
    clock: Clock,
  ) {
    super(checkpoint, delivered, size, clock.monotonicMs());
    this.outstanding = open.length;
    this.#reader = SegmentReader.fromProgress(this.checkpoint, open, returned);
    this.size = Math.max(size, this.#reader.position);
    [this.fd, this.#clock, this.events] = [fd, clock, events];
    this.errors = new SourceErrors(this, events);
    this.pace = paceWithBacklog(checkpoint, this.position, this.size, clock);
  }

  /** All that the file has is in Kafka; nothing is on its way. */
  get complete(): boolean {
    return this.position >= this.size && this.drained;
  }

  /** The same, but for what is no whole record yet. */
  get drained(): boolean {
    const delivered = this.settled && !this.#reader.returned.first && !this.replays?.current;
    return delivered && Math.max(this.position, this.#readTo) >= this.size;
  }

  /** Nothing is on its way. */
  get settled(): boolean {
    return this.outstanding === 0 && !this.#busy;
  }

  /** It is being read or looked at. */
  get busy(): boolean {
    return this.#busy || this.#looks > 0;
  }

  /** Where it is read on. */
  get readPosition(): number {
    return this.#reader.position;
  }

  usesRoute(route: Route): boolean {
    return route === this.#route && (this.state === 'READING' || this.state === 'DRAINING');
  }

  /** From the next line on, lines go by `route` in the format that `formatOf` makes; what is on its way elsewhere arrives there. */
  assign(route: Route, formatOf: FormatOf): void {
    this.#route = route;
    [this.#formatOf, this.#format, this.#assignedPath] = [formatOf, undefined, this.path];
    ({ topic: this.topic, partition: this.partition } = route);
    this.#wakeToRead();
  }

  /** Lines go nowhere until the next `assign`. */
  unassign(): void {
    this.#route = undefined;
  }

  /** Stops reading; what is on its way may still arrive. */
  pause(): void {
    if (this.state !== 'CLOSED') this.state = 'PAUSED';
    this.#timer?.stop();
  }

  resume(): void {
    if (this.state === 'PAUSED') this.state = 'READING';
    this.#wakeToRead();
  }

  /** Returns whether it gets a turn. */
  wake(): boolean {
    this.#wokenMeanwhile = true;
    if (!this.#route || !this.usesRoute(this.#route)) return false;
    this.#route.wake(this);
    return true;
  }

  /** Goes on reading, when the read itself sees what a look would; else false. */
  readOn(): boolean {
    if (this.replaced || !this.#format || !this.#route || !this.usesRoute(this.#route)) return false;
    return this.#reader.detectsReplacement(this.fd) && this.wake();
  }

  /** Looks at the file as it is now, and goes on reading when it has grown. Rejects with the system's error. */
  async look(nowMs: number, wallMs = Number.POSITIVE_INFINITY): Promise<Seen> {
    this.#looks++;
    try {
      if (this.fd === NOT_OPEN && !(await this.events.reopen?.(this))) return 'same';
      // The file may grow and be read on while it is looked at: only what was read before is known to have been there.
      const at = { read: this.#reader.position, acknowledged: this.position };
      const seen = await observeFile(this.fd, this.life, at, wallMs);
      if (!seen || this.replaced) return 'truncated';
      if (seen.compressed) return 'compressed';
      const size = Math.max(seen.size, this.#reader.position);
      const learned = this.learn({ ...seen, size }, nowMs);
      this.errors.looked('');
      this.#wakeToRead();
      return learned ? 'learned' : 'same';
    } finally {
      this.#looks--;
    }
  }

  /** The generation goes on in another file, its copy; `fd` is open there. */
  moveTo(fd: number, file: FoundFile): void {
    this.isNow(file);
    [this.fd, this.state] = [fd, 'READING'];
    this.wake();
  }

  /** Lets go of what can be made again when there is something to read. */
  rest(): void {
    this.#format = undefined;
    this.#reader.releaseCaches();
    this.replays?.releaseCaches();
  }

  async fill(bench: Workbench): Promise<SourceTurn> {
    if (this.fd === NOT_OPEN) this.events.onUnopened?.(this);
    if (this.fd === NOT_OPEN || this.#busy || !this.#formatOf) return NOTHING;
    // What was read before and came back was counted then.
    const room = this.#reader.returned.first ? undefined : this.events.limits?.room(this);
    if (room === 0) return NOTHING;
    this.#busy = true;
    this.#wokenMeanwhile = false;
    try {
      this.#format ??= this.#formatOf(this, this.#assignedPath);
      const filled = await this.#read(bench, this.#format, room);
      this.errors.wasRead('');
      return { ...filled, hasMore: filled.hasMore || this.#wokenMeanwhile || this.replays?.isNext === true };
    } catch (error) {
      this.errors.wasRead((error as Error).message);
      return NOTHING;
    } finally {
      this.#busy = false;
      if (this.#wokenMeanwhile) this.wake();
    }
  }

  encodeAgain(segment: IntentSegment, bench: Workbench): Promise<void> {
    return encodeSegment(this, segment, bench);
  }

  acknowledged(segment: IntentSegment): void {
    this.outstanding--;
    const nowMs = this.#clock.monotonicMs();
    if (segment.replay !== undefined) this.replays?.acknowledged(segment);
    else this.advance(segment, nowMs);
    this.events.onAcknowledged(this, segment);
  }

  returned(segment: IntentSegment): void {
    this.outstanding--;
    if (segment.replay !== undefined) this.replays?.returned(segment);
    else this.#reader.returned.add(segment);
    this.wake();
  }

  /** Wakes when there is something to read: most of thousands of files have nothing. */
  #wakeToRead(): void {
    if (this.size > this.#reader.position || this.#reader.returned.first || this.replays?.hasUnread) this.wake();
  }

  async #read(bench: Workbench, format: LineFormat, room: number | undefined): Promise<SourceTurn> {
    const nowMs = this.#clock.monotonicMs();
    const replayed = this.replays && (await this.replays.turn(bench, format, this, nowMs, room));
    if (replayed) {
      if (replayed.segment) this.events.limits?.consumed(replayed.segment.end - replayed.segment.start);
      return this.#filled(replayed);
    }
    const reading = await this.#reader.read(bench, format, this, nowMs, room);
    if (!reading) {
      this.replaced = true;
      this.events.onOtherLife?.(this);
      return NOTHING;
    }
    const { segment: read, more, full } = reading;
    this.reaches(reading.seen, nowMs);
    // The rest of a line that is not wanted goes nowhere.
    if (room !== undefined) this.events.limits?.consumed(read ? read.end - read.start - (read.cut?.bytes ?? 0) : 0);
    if (reading.againInMs !== undefined) {
      this.#timer ??= new WakeTimer(this.#clock, () => this.wake());
      this.#timer.start(reading.againInMs);
    } else if (!more) this.#readTo = reading.seen;
    const segment = read && { ...read, source: this, generation: this.generation };
    return this.#filled({ segment, hasMore: more, isFull: full });
  }

  /** Of a segment without lines nothing is to be sent. */
  #filled(turn: SourceTurn): SourceTurn {
    const { segment } = turn;
    if (segment) this.outstanding++;
    if (!segment || segment.lines > 0) return turn;
    this.acknowledged(segment);
    return { ...turn, segment: undefined };
  }
}
