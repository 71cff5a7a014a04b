import { type LineFormat, replayFormat } from '../../encode/line-format.ts';
import type { Workbench } from '../../encode/work-pool.ts';
import { gapsIn } from '../../model/contiguous-position.ts';
import { lineStates } from '../../model/line-state.ts';
import { type CoveredRange, coveredRange } from '../../model/position.ts';
import type { InheritedRanges, IntentSegment } from '../../model/segment.ts';
import type { RouteSource, SourceTurn } from '../../produce/route.ts';
import type { Replay, ReplayStore } from '../../state/replay-store.ts';
import { type FileNow, SegmentReader } from './segment-reader.ts';

/** The source whose lines are sent once more. */
type Replayed = FileNow & RouteSource & { generation: string };

/** What is read of one replay. */
class Run {
  readonly replay: Replay;
  readonly reader: SegmentReader;
  #given: LineFormat | undefined;
  #format: LineFormat | undefined;

  constructor(replay: Replay, { open, returned }: Pick<InheritedRanges, 'open' | 'returned'>) {
    this.replay = replay;
    const { end, endState } = replay;
    const { progress: reached } = replay.acknowledged;
    this.reader = new SegmentReader(end, end, endState);
    for (const segment of returned) this.reader.returned.add(segment);
    const done: CoveredRange[] = [...open, ...returned].map(coveredRange);
    const from = reached.position === replay.start ? { ...reached, lineState: lineStates.lineStart } : reached;
    const { gaps } = gapsIn([...reached.ahead, ...done, [end, end, end, endState, endState]], from);
    for (const gap of gaps) this.reader.returned.add({ ...gap, format: undefined });
  }

  /** As the source's lines are written now, but for what says that they come once more. */
  formatOf(given: LineFormat): LineFormat {
    if (!this.#format || this.#given !== given)
      [this.#given, this.#format] = [given, replayFormat(given, this.replay.id, this.replay.isMarked)];
    return this.#format;
  }

  rest(): void {
    this.#given = this.#format = undefined;
    this.reader.rest();
  }
}

/**
 * What of one source is sent once more, one replay after the other, in turns with what it reads on. They have positions of their own, so
 * the source's position, its ranges, its losses and its end are as if there were none.
 */
export class Replays {
  readonly #store: ReplayStore;
  #runs: Run[] = [];
  /** The next turn is theirs. */
  #next = true;

  constructor(store: ReplayStore) {
    this.#store = store;
  }

  add(replay: Replay, inherited: Pick<InheritedRanges, 'open' | 'returned'>): void {
    this.#runs.push(new Run(replay, inherited));
  }

  /** The one that is made now; undefined: all of them are in Kafka. */
  get now(): Replay | undefined {
    return this.#runs[0]?.replay;
  }

  /** There is something to be read. */
  get unread(): boolean {
    return this.#unread !== undefined;
  }

  /** The next turn is theirs, and there is something to be read in it. */
  get wait(): boolean {
    return this.#next && this.unread;
  }

  get #unread(): Run | undefined {
    return this.#runs.find(({ reader }) => reader.returned.first);
  }

  /** Every other turn they read on, `allowed` as of SegmentReader; undefined: they have read nothing, and the turn is the source's. */
  async turn(
    bench: Workbench,
    given: LineFormat,
    source: Replayed,
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
    const run = this.#of(segment);
    if (!run) return;
    this.#store.acknowledged(segment);
    if (run.replay.acknowledged.value >= run.replay.end) this.#runs = this.#runs.filter((other) => other !== run);
  }

  returned(segment: IntentSegment): void {
    this.#of(segment)?.reader.returned.add(segment);
  }

  rest(): void {
    for (const run of this.#runs) run.rest();
  }

  #of({ replay: id }: IntentSegment): Run | undefined {
    return this.#runs.find(({ replay }) => replay.id === id);
  }
}
