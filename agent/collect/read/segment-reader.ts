import { type EncodeResult, LineEncoder } from '../../encode/line-encoder.ts';
import type { LineFormat } from '../../encode/line-format.ts';
import { checksumOf } from '../../encode/record-batch.ts';
import type { RecordBuffer } from '../../encode/record-buffer.ts';
import { CHUNK_BYTES_MAX, type Workbench } from '../../encode/work-pool.ts';
import { gapsIn } from '../../model/contiguous-position.ts';
import { type Fingerprint, isWithin } from '../../model/fingerprint.ts';
import { isPassedOver, type LineState, lineStates } from '../../model/line-state.ts';
import { type AcknowledgedProgress, coveredRange } from '../../model/position.ts';
import type { IntentSegment, ReturnedRange } from '../../model/segment.ts';
import { beginsAsArchive } from '../files/archive-format.ts';
import { hasFingerprint } from '../files/file-head.ts';
import { isLocal, readAfter, readAt } from '../files/file-io.ts';
import type { TappedSource } from './entry-taps.ts';
import { lineStateFrom } from './line-starts.ts';
import { ReadFormats } from './read-formats.ts';
import { createSegment, type Range, withLineStates } from './read-range.ts';
import { holeSegment, nothingRead, type ReadResult } from './read-result.ts';
import { ReadTail } from './read-tail.ts';
import { ReturnedRanges, rangeAfter } from './returned-ranges.ts';
import { skipLine } from './skip-line.ts';
import { UnwrittenBytes } from './unwritten-bytes.ts';

const READ_BYTES_MIN = 64 * 1024;
/** The same under a rate limit. */
const LIMITED_BYTES_MIN = 1024;
/** How often a reader looks for bytes that may still be written before others. */
const HELD_POLL_MS = 250;

/** It has no state between calls. */
const encoder = new LineEncoder();

/** What the reader needs to know of a file. */
export interface ReadableFile extends Partial<TappedSource> {
  /** An open descriptor. */
  fd: number;
  size: number;
  /** The file will not grow: an unterminated last line is sent, too. */
  lastLineDue: boolean;
  /** What was last seen of it. */
  file: { readonly fingerprint: Fingerprint };
}

/**
 * Reads one generation and encodes its lines. A segment has all that determines its records beyond
 * its bytes (where the first record's range begins, and what its two ends lie in the middle of), so
 * the same range yields the same records whenever it is read. Incomplete lines, and multiline
 * records that may continue, are read again with what follows.
 */
export class SegmentReader {
  readonly returned = new ReturnedRanges();
  readonly #unwritten = new UnwrittenBytes();
  #position: number;
  #furthest: number;
  #rangeStart: number;
  #lineState: LineState | undefined;
  readonly #formats = new ReadFormats();
  #wantBytes = READ_BYTES_MIN;
  /** What is read even if a rate limit allows less, so that a whole record fits. */
  #limitedBytes = LIMITED_BYTES_MIN;
  #rawPerEncoded = 1;
  #tail: ReadTail | undefined;
  /** Where the file ended at the last read to its end, and since when it has ended there. */
  #quiet = { end: -1, sinceMs: 0 };

  /**
   * A reader of what is neither acknowledged nor in `open` segments, and of what was `returned`.
   */
  static fromProgress(
    progress: AcknowledgedProgress,
    open: readonly IntentSegment[],
    returned: readonly IntentSegment[] = [],
  ): SegmentReader {
    const { gaps, last } = gapsIn(
      [...progress.ahead, ...open.map(coveredRange), ...returned.map(coveredRange)],
      progress,
    );
    const reader = new SegmentReader(last.position, last.rangeEnd, last.lineState);
    for (const segment of returned) reader.returned.add(segment);
    for (const gap of gaps) reader.returned.add({ ...gap, format: undefined });
    return reader;
  }

  /**
   * `rangeStart`: where the next record's range begins. `lineState`: what `position` lies in the
   * middle of, if known.
   */
  constructor(position: number, rangeStart = position, lineState?: LineState) {
    this.#position = position;
    this.#furthest = position;
    this.#rangeStart = rangeStart;
    this.#lineState = lineState;
  }

  /** All bytes before it are in segments. */
  get position(): number {
    return this.#position;
  }

  /** Bytes before it were read, perhaps to be read again. */
  get furthest(): number {
    return this.#furthest;
  }

  /** The generation continues in a file that has `size` bytes. */
  continueInCopy(size: number): void {
    this.#furthest = Math.max(this.#position, Math.min(this.#furthest, size));
  }

  /**
   * Moves the position back over returned ranges before it: they are read as if they were read for
   * the first time, by the present format. Call it between reads.
   */
  rewind(): void {
    for (let last = this.returned.last; last?.end === this.#position; last = this.returned.last) {
      this.returned.remove(last);
      [this.#position, this.#rangeStart, this.#lineState] = [last.start, last.rangeStart, last.startState];
      this.#tail = undefined;
    }
  }

  /**
   * Whether the next read detects by itself that the file was replaced, so that no observation is
   * needed before.
   */
  detectsReplacement(fd: number): boolean {
    return isLocal(fd) && !this.returned.first && this.#tail?.isWhole(this.#position) === true;
  }

  /** Drops what can be derived again. */
  releaseCaches(): void {
    this.#tail = undefined;
    this.#formats.release();
  }

  /**
   * Reads a chunk of at most `allowed` bytes, or a longer record. undefined: the file was truncated
   * or replaced, or is an archive. One call at a time. Rejects with the system's error.
   */
  async read(
    bench: Workbench,
    given: LineFormat,
    file: ReadableFile,
    nowMs: number,
    allowed = Number.POSITIVE_INFINITY,
  ): Promise<ReadResult | undefined> {
    const again = this.returned.first;
    // `file.fd` may change while this read awaits: the file is closed, or another generation
    // begins.
    const { fd } = file;
    const { lineBytesMax } = bench.records;
    const now = await this.#formats.present(fd, given, lineBytesMax);
    const format = again?.format ? await this.#formats.previous(fd, now, again.format, lineBytesMax) : now;
    this.#lineState = await lineStateFrom(this.#lineState, fd, this.#position, now);
    const from = again ? await withLineStates(fd, again, format) : this.#rest(this.#lineState);
    if (isPassedOver(from.startState))
      return this.#skip(from, again, format, bench.chunk, { fd, size: file.size, sealed: file.lastLineDue });
    const { chunk, records, kernel } = bench;
    const { start } = from;
    const want = Math.min(this.#bytesFor(records, allowed), from.end - start);
    const bytesRead = await this.#readBytes(file, fd, chunk, { start, want, isAgain: again !== undefined });
    if (bytesRead === undefined) return undefined;
    if (start === 0 && !again && beginsAsArchive(chunk.subarray(0, bytesRead))) return undefined;
    const { size, lastLineDue } = file;
    const read = { ...from, length: bytesRead, unit: format.charset.unit, isAgain: again !== undefined };
    const plan = await this.#unwritten.plan({ fd, size, lastLineDue }, chunk, read, nowMs);
    if (plan.do === 'wait') return nothingRead(plan.from, plan.waitMs);
    if (plan.do === 'pass') return this.#pass(from, again, plan.end, format.document);
    const { length, tail: unwritten, fillMs, isUnknown } = plan;
    const seen = start + length;
    const atEnd = bytesRead < want || unwritten !== undefined;
    // A short read is not always the end: on network file systems, and before a bad sector.
    const last = again ? seen === again.end : lastLineDue && atEnd && (unwritten?.to ?? seen) >= size;
    const waitMs =
      again || !atEnd || !format.grouping ? undefined : this.#quietFor(seen, nowMs, format.grouping.timeoutMs);
    const before = records.length;
    const encoded = encoder.encode(
      { ...from, bytes: chunk, length, position: start, isLast: last, isFlushed: waitMs === 0 },
      format,
      records,
      kernel,
    );
    const checksum = checksumOf(chunk.subarray(0, encoded.consumed));
    const segment = createSegment(from, encoded, { checksum, format: format.document });
    const isFirstRead = !again && start >= this.#furthest;
    this.#advance(again, start + encoded.consumed, encoded.rangeEnd, encoded.lineState);
    if (!again) this.#tail?.add(chunk.subarray(0, encoded.consumed));
    if (segment && !again) segment.marker = this.#tail?.marker(segment.end);
    if (file.taps?.hasTaps && segment && isFirstRead) file.taps.notify(file as TappedSource, segment, records, before);
    if (encoded.recordCount > 0) this.#rawPerEncoded = encoded.consumed / (records.length - before);
    const isSearched = isUnknown && encoded.consumed === 0 && !encoded.isFull;
    if (isSearched) return nothingRead(seen, await this.#unwritten.search({ fd, size }, chunk, seen, from.end));
    const hasMore = this.#more(encoded, atEnd ? 0 : bytesRead, again);
    const isHeld = fillMs > 0 && encoded.consumed === 0;
    const againInMs = isHeld ? Math.min(fillMs, HELD_POLL_MS) : encoded.isIncomplete && waitMs ? waitMs : undefined;
    if (unwritten && encoded.consumed === 0) await this.#unwritten.searchAgain(fd, chunk, unwritten.from);
    const more = isHeld ? encoded.isFull : hasMore || isUnknown || fillMs > 0;
    return { segment, more, full: encoded.isFull, seen, againInMs, tail: unwritten };
  }

  /**
   * Returns how many bytes were read at `start`. undefined: the file was truncated or replaced. If
   * the bytes before `start` are known, the read compares them. What was seen of the file elsewhere
   * is compared after the read, because the file may have been replaced since.
   */
  async #readBytes(
    file: ReadableFile,
    fd: number,
    chunk: Buffer,
    { start, want, isAgain }: { start: number; want: number; isAgain: boolean },
  ): Promise<number | undefined> {
    const tail = isAgain ? undefined : this.#tail;
    if (!isAgain) this.#tail ??= await ReadTail.read(fd, start);
    const read = tail ? await readAfter(fd, chunk, want, start, tail.bytes) : await readAt(fd, chunk, 0, want, start);
    if (!read || (tail && isWithin(file.file.fingerprint, start))) return read?.bytesRead;
    return (await hasFingerprint(fd, file.file.fingerprint)) ? read.bytesRead : undefined;
  }

  /** How much to read for a batch with `records`, of which a rate limit allows `allowed` bytes. */
  #bytesFor(records: RecordBuffer, allowed: number): number {
    const room = Math.floor(records.remaining * this.#rawPerEncoded) + 4096;
    return Math.min(CHUNK_BYTES_MAX, Math.max(this.#wantBytes, room), Math.max(allowed, this.#limitedBytes));
  }

  /** Everything that was not read yet. */
  #rest(startState: LineState): Range {
    const { lineStart } = lineStates;
    const end = Number.POSITIVE_INFINITY;
    return { start: this.#position, end, rangeStart: this.#rangeStart, startState, endState: lineStart };
  }

  /** How much longer nothing new must appear until an open multiline record is sent, ms. */
  #quietFor(end: number, nowMs: number, timeoutMs: number): number {
    if (this.#quiet.end !== end) this.#quiet = { end, sinceMs: nowMs };
    return Math.max(0, this.#quiet.sinceMs + timeoutMs - nowMs);
  }

  #pass(from: Range, again: ReturnedRange | undefined, end: number, document: string): ReadResult {
    this.#tail = undefined;
    this.#advance(again, end, from.rangeStart, lineStates.lineStart);
    return { ...nothingRead(end), segment: holeSegment(from, end, document) };
  }

  /** Skips the rest of a line. The result is a segment without lines. */
  async #skip(
    from: Range,
    again: ReturnedRange | undefined,
    { charset, document }: LineFormat,
    chunk: Buffer,
    file: Parameters<typeof skipLine>[3],
  ): Promise<ReadResult> {
    this.#tail = undefined;
    const { end, lineState, atEnd, seen, tail } = await skipLine(from, charset, chunk, file, this.#unwritten);
    if (tail && end === from.start) await this.#unwritten.searchAgain(file.fd, chunk, tail.from);
    const { start, rangeStart, startState } = from;
    // No record has the beginning of a lost line, so its rest is in no record's range either.
    const rangeEnd = startState === lineStates.lost ? end : rangeStart;
    this.#advance(again, end, rangeEnd, lineState);
    const cut = startState === lineStates.filtered ? undefined : { start, end, bytes: end - start };
    const kept = { checksum: 0, format: document };
    const reached = { end, endState: lineState, rangeEnd, lineState };
    const segment = { start, lines: 0, rangeStart, startState, ...reached, cut, ...kept };
    return {
      segment: end > start ? segment : undefined,
      more: !atEnd || !isPassedOver(lineState),
      full: false,
      seen,
      againInMs: undefined,
      tail,
    };
  }

  #advance(again: ReturnedRange | undefined, end: number, rangeStart: number, lineState: LineState): void {
    if (again) {
      this.returned.consumed(again, { start: end, rangeStart, startState: lineState });
      if (end >= again.end) this.#rangeStart = rangeAfter(again, this.#rangeStart);
    } else {
      [this.#position, this.#rangeStart, this.#lineState] = [end, rangeStart, lineState];
      this.#furthest = Math.max(this.#furthest, end);
    }
  }

  /**
   * Whether there is more to read now, after a read of `bytesRead` bytes (0 at the end). If no line
   * fitted, the next read is longer, or goes into the next batch.
   */
  #more(
    { isFull, recordCount, consumed, lineState }: EncodeResult,
    bytesRead: number,
    again: ReturnedRange | undefined,
  ): boolean {
    if (recordCount > 0) this.#wantBytes = READ_BYTES_MIN;
    if (consumed > 0) this.#limitedBytes = LIMITED_BYTES_MIN;
    if (isFull || isPassedOver(lineState)) return true;
    if (bytesRead === 0) return recordCount > 0 && again !== undefined;
    if (recordCount === 0) this.#wantBytes = CHUNK_BYTES_MAX;
    if (consumed === 0) this.#limitedBytes = Math.min(2 * bytesRead, CHUNK_BYTES_MAX);
    return true;
  }
}
