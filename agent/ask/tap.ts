import { TapLine, TapPart } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { EntryCollector } from '../collect/entry-collector.ts';
import type { Tap, TappedRun, TappedSource } from '../collect/read/entry-taps.ts';
import type { RecordBuffer } from '../encode/record-buffer.ts';
import { sampleRecords } from '../encode/record-samples.ts';
import { RequestError, type RequestHandler } from './request-handler.ts';

const RATE_MAX = 1_000;
/** The most bytes of each line. */
const LINE_BYTES_MAX = 4_096;
/** Lines gather this long before they are sent. */
const PART_INTERVAL_MS = 200;
/**
 * A part is sent at least this often, even without lines, so that the caller sees the tap is alive.
 */
const HEARTBEAT_MS = 2_000;
/**
 * The most bytes that wait to be sent; more lines are dropped. With PART_INTERVAL_MS it bounds the
 * byte rate.
 */
const WAITING_BYTES_MAX = 64 * 1024;
/** The tap ends this long before the deadline, so that it ends without an error. */
const END_MS = 1_000;
/** A line's size in the message beyond its bytes. */
const LINE_OVERHEAD_BYTES = 128;

/**
 * Samples lines as they are read, up to a rate, and keeps them until they are sent. Delivery never
 * waits for it.
 */
export class LineTap {
  readonly #perSecond: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #allowed: number;
  #refilledMs: number;
  #lines: TapLine[] = [];
  #waitingBytes = 0;
  #leftOut = 0;
  #dropped = 0;
  #failure: Error | undefined;

  constructor(perSecond: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#allowed = perSecond;
    this.#refilledMs = clock.monotonicMs();
  }

  /** Samples a run of lines. Lines beyond the rate are counted but not decoded. */
  readonly onLines: Tap = (source, run, records, from) => {
    const wanted = Math.min(run.lines, this.#allowance());
    this.#allowed -= wanted;
    this.#leftOut += run.lines - wanted;
    if (wanted === 0 || this.#failure) return;
    try {
      this.#take(source, run, records, { from, wanted });
    } catch (error) {
      // Reading must continue: the error is for the caller of the tap.
      this.#failure = error as Error;
    }
  };

  /** The lines since the last call. Throws the error that occurred in `onLines`. */
  takePart(): TapPart {
    if (this.#failure) throw this.#failure;
    const part = { lines: this.#lines, leftOut: BigInt(this.#leftOut), dropped: BigInt(this.#dropped) };
    this.#lines = [];
    this.#waitingBytes = this.#leftOut = this.#dropped = 0;
    return TapPart.create(part);
  }

  #allowance(): number {
    const nowMs = this.#clock.monotonicMs();
    const more = ((nowMs - this.#refilledMs) * this.#perSecond) / 1000;
    this.#allowed = Math.min(this.#perSecond, this.#allowed + more);
    this.#refilledMs = nowMs;
    return Math.floor(this.#allowed);
  }

  #take(
    { path, generation }: TappedSource,
    run: TappedRun,
    records: RecordBuffer,
    { from, wanted }: { from: number; wanted: number },
  ): void {
    const choice = { count: run.lines, wanted, valueBytesMax: LINE_BYTES_MAX };
    for (const { value, valueBytes, range } of sampleRecords(records.bytes, from, choice)) {
      this.#waitingBytes += value.length + LINE_OVERHEAD_BYTES;
      if (this.#waitingBytes > WAITING_BYTES_MAX) {
        this.#waitingBytes -= value.length + LINE_OVERHEAD_BYTES;
        this.#dropped++;
        continue;
      }
      const [start = 0n, end = 0n] = (range ?? `${run.start}-${run.end}`).split('-').map(BigInt);
      this.#lines.push(TapLine.create({ path, generation, start, end, line: value, lineBytes: valueBytes }));
    }
  }
}

/**
 * Streams a sample of the lines that an entry collects. `find` returns an entry of this agent by
 * name.
 */
export function tapHandler(find: (name: string) => EntryCollector | undefined, clock: Clock): RequestHandler<'tap'> {
  return async function* tapEntry({ entry, linesPerSecond }, { signal, deadlineMs }) {
    const collector = find(entry);
    if (!collector) throw new RequestError('CODE_NOT_FOUND', `${entry} is not on this agent`);
    const tap = new LineTap(Math.min(Math.max(linesPerSecond, 1), RATE_MAX), clock);
    const end = collector.taps.add(tap.onLines);
    try {
      for (let sentMs = Number.NEGATIVE_INFINITY; !signal.aborted && clock.monotonicMs() < deadlineMs - END_MS; ) {
        if (find(entry) !== collector) throw new RequestError('CODE_NOT_FOUND', `${entry} is no longer on this agent`);
        const part = tap.takePart();
        const nowMs = clock.monotonicMs();
        if (part.lines.length > 0 || part.leftOut > 0n || nowMs - sentMs >= HEARTBEAT_MS) {
          sentMs = nowMs;
          yield { $case: 'tap', value: part };
        }
        await clock.sleep(PART_INTERVAL_MS, signal).catch(() => {});
      }
    } finally {
      end();
    }
  };
}
