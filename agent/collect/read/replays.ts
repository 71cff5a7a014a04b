import { type LineFormat, replayFormat } from '../../encode/line-format.ts';
import type { Workbench } from '../../encode/work-pool.ts';
import { gapsIn } from '../../model/contiguous-position.ts';
import { lineStates } from '../../model/line-state.ts';
import { type CoveredRange, coveredRange } from '../../model/position.ts';
import type { InheritedRanges, IntentSegment } from '../../model/segment.ts';
import type { RouteSource, SourceTurn } from '../../produce/route-source.ts';
import type { Replay, ReplayStore } from '../../state/replay-store.ts';
import { type ReadableFile, SegmentReader } from './segment-reader.ts';

/** The source whose lines are sent again. */
type ReplayedSource = ReadableFile & RouteSource & { generation: string };

/** The reading of one replay. */
class ReplayRun {
  readonly replay: Replay;
  readonly reader: SegmentReader;
  #given: LineFormat | undefined;
  #format: LineFormat | undefined;

  constructor(replay: Replay, { open, returned }: Pick<InheritedRanges, 'open' | 'returned'>) {
    this.replay = replay;
    const { end, endState } = replay;
    const { progress } = replay.acknowledged;
    this.reader = new SegmentReader(end, end, endState);
    for (const segment of returned) this.reader.returned.add(segment);
    const done: CoveredRange[] = [...open, ...returned].map(coveredRange);
    const from = progress.position === replay.start ? { ...progress, lineState: lineStates.lineStart } : progress;
    const { gaps } = gapsIn([...progress.ahead, ...done, [end, end, end, endState, endState]], from);
    for (const gap of gaps) this.reader.returned.add({ ...gap, format: undefined });
  }

  /** The source's present format, with the mark of the replay. */
  formatOf(given: LineFormat): LineFormat {
    if (!this.#format || this.#given !== given)
      [this.#given, this.#format] = [given, replayFormat(given, this.replay.id, this.replay.isMarked)];
    return this.#format;
  }

  releaseCaches(): void {
    this.#given = this.#format = undefined;
    this.reader.releaseCaches();
  }
}

/**
 * The replays of one source, one after the other, in turns with its first-time reads. They have
 * positions of their own, so they change neither the source's position and ranges nor its losses
 * and its end.
 */
export class Replays {
  readonly #store: ReplayStore;
  #runs: ReplayRun[] = [];
  /** Whether the next turn belongs to the replays. */
  #next = true;

  constructor(store: ReplayStore) {
    this.#store = store;
  }

  add(replay: Replay, inherited: Pick<InheritedRanges, 'open' | 'returned'>): void {
    this.#runs.push(new ReplayRun(replay, inherited));
  }

  /** The replay that is being sent; undefined: all are acknowledged. */
  get current(): Replay | undefined {
    return this.#runs[0]?.replay;
  }

  /** Whether a replay has something to read. */
  get hasUnread(): boolean {
    return this.#unread !== undefined;
  }

  /** Whether the next turn belongs to the replays and has something to read. */
  get isNext(): boolean {
    return this.#next && this.hasUnread;
  }

  get #unread(): ReplayRun | undefined {
    return this.#runs.find(({ reader }) => reader.returned.first);
  }

  /**
   * Reads in every other turn. `allowed`: see SegmentReader.read. undefined: nothing was read, and
   * the turn belongs to the source.
   */
  async turn(
    bench: Workbench,
    given: LineFormat,
    source: ReplayedSource,
    nowMs: number,
    allowed?: number,
  ): Promise<SourceTurn | undefined> {
    const run = this.#next ? this.#unread : undefined;
    this.#next = !this.#next || run === undefined;
    if (!run) return undefined;
    const reading = await run.reader.read(bench, run.formatOf(given), source, nowMs, allowed);
    if (!reading) return undefined;
    const { segment: read, full } = reading;
    if (!read) return reading.more || full ? { segment: undefined, hasMore: true, isFull: full } : undefined;
    const segment = { ...read, source, generation: source.generation, replay: run.replay.id };
    return { segment, hasMore: true, isFull: full };
  }

  acknowledged(segment: IntentSegment): void {
    const run = this.#runFor(segment);
    if (!run) return;
    this.#store.acknowledged(segment);
    if (run.replay.acknowledged.value >= run.replay.end) this.#runs = this.#runs.filter((other) => other !== run);
  }

  returned(segment: IntentSegment): void {
    this.#runFor(segment)?.reader.returned.add(segment);
  }

  releaseCaches(): void {
    for (const run of this.#runs) run.releaseCaches();
  }

  #runFor({ replay: id }: IntentSegment): ReplayRun | undefined {
    return this.#runs.find(({ replay }) => replay.id === id);
  }
}
