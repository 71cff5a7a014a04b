import type { Workbench } from '../../encode/work-pool.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import type { OpenFile } from '../../model/found-file.ts';
import type { InheritedRanges, IntentSegment } from '../../model/segment.ts';
import type { Route } from '../../produce/route.ts';
import type { RouteSource, SourceTurn } from '../../produce/route-source.ts';
import { encodeSegment } from '../read/encode-segment.ts';
import type { EntryTaps } from '../read/entry-taps.ts';
import type { ReadableFile } from '../read/segment-reader.ts';
import { WakeTimer } from '../read/wake-timer.ts';
import { type Effect, isActive, type LifecycleEvent, transitions } from './lifecycle.ts';
import type { FormatOf } from './line-formats.ts';
import { isReadable, ReadTurns } from './read-turns.ts';
import { RouteAssignment } from './route-assignment.ts';
import type { Sighted } from './scan.ts';
import type { SourceContext } from './source-context.ts';
import { type FileOperation, NO_ERRORS, type SourceErrors, withOutcome } from './source-errors.ts';
import { type ObservationOutcome, type ObservedReader, TrackedFile } from './tracked-file.ts';

const NOTHING: SourceTurn = { segment: undefined, hasMore: false, isFull: false };

/**
 * Reads one generation of one file for one entry. It has a tracked file (what is known of the
 * generation, and its state: see lifecycle.ts), read turns (what is left to send) and, while its
 * topic is known, a route. Between two reads it keeps only a position: an incomplete line is read
 * again, from the page cache, when the rest has been written.
 */
export class Source implements RouteSource, ReadableFile, ObservedReader, Sighted {
  readonly #file: TrackedFile;
  readonly turns: ReadTurns;
  #errors = NO_ERRORS;
  readonly #context: SourceContext<Source>;
  #assignment: RouteAssignment | undefined;
  #timer: WakeTimer | undefined;
  #reading = false;
  #wokenMeanwhile = false;
  sightedBy: Sighted['sightedBy'];
  sightedAs: Sighted['sightedAs'];
  /** How many sources its registry has opened, with this one. Set by the registry. */
  order = 0;

  constructor(checkpoint: Checkpoint, inherited: InheritedRanges, size: number, context: SourceContext<Source>) {
    this.#context = context;
    this.#file = new TrackedFile(checkpoint, inherited.acknowledged, size, context.clock.monotonicMs());
    this.turns = new ReadTurns(this.#file.checkpoint, inherited);
    this.#file.startTracking(Math.max(size, this.turns.position), checkpoint, context.clock);
  }

  get file(): Readonly<TrackedFile> {
    return this.#file;
  }

  get generation(): string {
    return this.#file.generation;
  }

  get path(): string {
    return this.#file.path;
  }

  get fd(): number {
    return this.#file.fd;
  }

  get size(): number {
    return this.#file.size;
  }

  /** Every line before it is acknowledged. */
  get position(): number {
    return this.#file.position;
  }

  get furthestRead(): number {
    return this.turns.furthest;
  }

  /** Whether a last line without a terminator is sent, too. */
  get lastLineDue(): boolean {
    return this.#context.once === true || this.#file.state.lastLine === 'due';
  }

  get taps(): EntryTaps | undefined {
    return this.#context.taps;
  }

  /** Whether a rate limit delays it. */
  get isLimited(): boolean {
    return this.#context.limits?.isWaiting(this) === true;
  }

  get errors(): SourceErrors {
    return this.#errors;
  }

  get isClosed(): boolean {
    return this.#file.state.activity === 'closed';
  }

  /** All bytes are acknowledged, every segment's outcome is known, and no replay is running. */
  get complete(): boolean {
    return this.position >= this.size && this.drained;
  }

  /** As complete, except for an incomplete last record. */
  get drained(): boolean {
    if (!this.settled || this.turns.isReturning || this.turns.replay || this.#file.isTailInDoubt) return false;
    return Math.max(this.position, this.turns.readTo) >= this.size;
  }

  /** Every segment's outcome is known, and no read is running. */
  get settled(): boolean {
    return this.turns.settled && !this.#reading;
  }

  /** A read or an observation is running. */
  get busy(): boolean {
    return this.#reading || this.#file.isObserved;
  }

  /**
   * An event of its lifecycle: `transitions` says what each means. Returns whether the state has
   * changed. Throws if the present state does not allow the event.
   */
  apply(event: LifecycleEvent): boolean {
    if (!this.#file.apply(event, this.#context.clock.nowMs())) return false;
    for (const effect of transitions[event].effects) this.#perform(effect);
    return true;
  }

  #perform(effect: Effect): void {
    const { observer } = this.#context;
    if (effect === 'store') observer.phaseChanged(this);
    else if (effect === 'report') observer.stateChanged(this);
    else if (effect === 'wake') this.wake();
    else if (effect === 'stopTimer') this.#timer?.stop();
    else this.releaseCaches();
  }

  /** Begins to read through `fd`. `forReplay`: the generation is complete. */
  begin(fd: number, forReplay: boolean): void {
    this.apply(forReplay ? 'openedForReplay' : 'opened');
    this.#file.attach(fd);
  }

  resume(): void {
    this.apply('resumed');
    this.#file.doubtTail();
    this.#wakeToRead();
  }

  /** The file is at no path of the entry. It drains until it has not grown for a grace period. */
  leave(nowMs: number): void {
    if (this.apply('left')) this.#file.restartGrace(nowMs);
  }

  /** The generation continues in `copy`, a copy of its file, which is open at `fd`. */
  continueInCopy(fd: number, copy: OpenFile): void {
    this.#file.continueIn(copy);
    this.turns.continueInCopy(copy.written);
    this.#file.attach(fd);
    this.apply('continuedInCopy');
  }

  /** Frees what can be made again when there is something to read. */
  releaseCaches(): void {
    this.#assignment?.releaseFormat();
    this.turns.releaseCaches();
  }

  /**
   * Observes the file and reads on if it has grown. `wallMs`: the time now, ms since the epoch.
   * Rejects with the system's error.
   */
  async observe(nowMs: number, wallMs = Number.POSITIVE_INFINITY): Promise<ObservationOutcome> {
    const outcome = await this.#file.observe(this, nowMs, wallMs);
    if (outcome === 'learned' || outcome === 'unchanged') {
      this.noteOutcome('observation');
      this.#wakeIn(this.#file.pollMs(nowMs));
      // One that can't be read must not be woken: its turn would only observe it again.
      if (isReadable(this.#file)) this.#wakeToRead();
    }
    return outcome;
  }

  /** Notes an operation's error; undefined: it succeeded. Throws the error if it is a defect. */
  noteOutcome(operation: FileOperation, error?: unknown): void {
    const before = this.#errors;
    this.#errors = withOutcome(before, operation, error);
    if (this.#errors !== before) this.#context.observer.stateChanged(this);
  }

  reopen(): Promise<boolean> {
    return this.#context.observer.reopen(this);
  }

  /** Lines that are read from now on go to `route`, in the format that `formatOf` makes. */
  assign(route: Route, formatOf: FormatOf): void {
    this.#assignment = new RouteAssignment(route, formatOf, this.path);
    this.#file.assign(route);
    this.#wakeToRead();
  }

  /** No line is read until the next `assign`. */
  unassign(): void {
    this.#assignment = undefined;
  }

  usesRoute(route: Route): boolean {
    return route === this.#assignment?.route && isActive(this.#file.state);
  }

  /** Returns whether it gets a turn. */
  wake(): boolean {
    this.#wokenMeanwhile = true;
    const { route } = this.#assignment ?? {};
    if (!route || !isActive(this.#file.state)) return false;
    route.wake(this);
    return true;
  }

  /** Reads on without an observation. false: an observation is needed first. */
  continueReading(): boolean {
    if (this.#file.replaced || !isReadable(this.#file) || !isActive(this.#file.state)) return false;
    if (!this.#assignment?.hasFormat) return false;
    return this.turns.detectsReplacement(this.fd) && this.wake();
  }

  async fill(bench: Workbench): Promise<SourceTurn> {
    const { limits, observer } = this.#context;
    if (!isReadable(this.#file)) observer.fileNeeded(this);
    if (!isReadable(this.#file) || this.isClosed || this.#reading || !this.#assignment) return NOTHING;
    // Limits count bytes when they are read first, not when they are read again.
    const room = this.turns.isReturning ? undefined : limits?.room(this);
    if (room === 0) return NOTHING;
    this.#reading = true;
    this.#wokenMeanwhile = false;
    try {
      const filled = await this.#read(bench, this.#assignment, room);
      this.noteOutcome('read');
      return { ...filled, hasMore: filled.hasMore || this.#wokenMeanwhile || this.turns.replayIsNext };
    } catch (error) {
      this.noteOutcome('read', error);
      return NOTHING;
    } finally {
      this.#reading = false;
      if (this.#wokenMeanwhile) this.wake();
    }
  }

  encodeAgain(segment: IntentSegment, bench: Workbench): Promise<void> {
    return encodeSegment(this, segment, bench);
  }

  acknowledged(segment: IntentSegment): void {
    const { clock, observer } = this.#context;
    this.turns.acknowledged(segment);
    if (segment.replay === undefined) this.#file.acknowledge(segment, clock.monotonicMs(), clock.nowMs());
    observer.acknowledged(this, segment);
  }

  returned(segment: IntentSegment): void {
    this.turns.returned(segment);
    this.wake();
  }

  /** Wakes only if there is something to read: most of thousands of files have nothing. */
  #wakeToRead(): void {
    if (this.turns.hasUnread(this.size) || this.#file.isTailInDoubt) this.wake();
  }

  #wakeIn(ms: number | undefined): void {
    if (ms === undefined || !isActive(this.#file.state)) return;
    this.#timer ??= new WakeTimer(this.#context.clock, () => {
      // What was unwritten may be written now. A complete file that was closed stays so.
      this.#file.doubtTail();
      if (!this.complete) this.wake();
    });
    this.#timer.start(ms);
  }

  async #read(bench: Workbench, assignment: RouteAssignment, room: number | undefined): Promise<SourceTurn> {
    const { clock, limits, observer } = this.#context;
    const nowMs = clock.monotonicMs();
    const turn = await this.turns.next(bench, assignment.formatFor(this), this, nowMs, room);
    if (!turn) {
      this.#file.markReplaced();
      observer.replaced(this);
      return NOTHING;
    }
    this.#file.noteRead(turn, nowMs);
    const { segment, hasMore, isFull, consumed, againInMs } = turn;
    if (consumed > 0 || room !== undefined) limits?.consumed(consumed);
    this.#wakeIn(againInMs ?? this.#file.pollMs(nowMs));
    if (segment?.lines !== 0) return { segment, hasMore, isFull };
    // A segment without lines is never sent: it counts as acknowledged at once.
    this.acknowledged(segment);
    return { segment: undefined, hasMore, isFull };
  }
}
