import { type EncodeResult, LineEncoder } from '../../encode/line-encoder.ts';
import { fitToTopic, type LineFormat } from '../../encode/line-format.ts';
import { checksumOf } from '../../encode/record-batch.ts';
import { CHUNK_BYTES_MAX, type Workbench } from '../../encode/work-pool.ts';
import { gapsIn } from '../../model/contiguous-position.ts';
import { isPassedOver, type LineState, lineStates } from '../../model/line-state.ts';
import { type AcknowledgedProgress, coveredRange } from '../../model/position.ts';
import type { IntentSegment, ReturnedRange } from '../../model/segment.ts';
import { isLocal, readAt, readOn } from '../files/file-io.ts';
import type { Tapped } from './entry-taps.ts';
import { charsetOfFile, lineStateAt } from './line-starts.ts';
import { passOver } from './pass-over.ts';
import { formatBefore, type Range, type ReadSegment, segmentOf, withLineStates } from './read-range.ts';
import { ReadTail } from './read-tail.ts';
import { ReturnedRanges, rangeAfter } from './returned-ranges.ts';

const READ_BYTES_MIN = 64 * 1024;
/** Where a rate limit leaves less. */
const LIMITED_BYTES_MIN = 1024;

/** It keeps nothing from one call to the next. */
const encoder = new LineEncoder();

/** The file as its source knows it. */
export interface FileNow extends Partial<Tapped> {
  /** Open. */
  fd: number;
  size: number;
  /** It is complete: an unterminated last line goes too. */
  sealed: boolean;
}

/** What one turn gave. */
export interface Reading {
  /** Without lines: there is nothing to send, and the bytes are done with. */
  segment: ReadSegment | undefined;
  more: boolean;
  full: boolean;
  /** The file reaches so far, at least. */
  seen: number;
  /** Lines wait for others of their record: look again so much later. */
  againInMs: number | undefined;
}

/**
 * Reads one generation and encodes its lines, each range by itself: what goes beyond the bytes of a range (where its first record's range
 * begins, and what its two ends are in the middle of) is in its segment, so that the same range is the same records whenever it is
 * read. Half lines, and multiline records that may go on, are read again when the rest has come.
 */
export class SegmentReader {
  readonly returned = new ReturnedRanges();
  #position: number;
  #rangeStart: number;
  #lineState: LineState | undefined;
  #given: LineFormat | undefined;
  #format: LineFormat | undefined;
  /** The format for a topic that takes no longer lines. */
  #fitted: { from: LineFormat; bytes: number; format: LineFormat } | undefined;
  /** The format of the last range that was read again. */
  #former: { document: string; bytes: number; format: LineFormat } | undefined;
  #wantBytes = READ_BYTES_MIN;
  /** What a rate limit has to allow: a whole record. */
  #limitedBytes = LIMITED_BYTES_MIN;
  #rawPerEncoded = 1;
  #tail: ReadTail | undefined;
  /** Where the file ended when it was last read to its end, and since when. */
  #quiet = { end: -1, sinceMs: 0 };

  /** Reads what is neither `delivered` nor under way, and what was `returned`. */
  static of(
    delivered: AcknowledgedProgress,
    open: readonly IntentSegment[],
    returned: readonly IntentSegment[] = [],
  ): SegmentReader {
    const { gaps, last } = gapsIn(
      [...delivered.ahead, ...open.map(coveredRange), ...returned.map(coveredRange)],
      delivered,
    );
    const reader = new SegmentReader(last.position, last.rangeEnd, last.lineState);
    for (const segment of returned) reader.returned.add(segment);
    for (const gap of gaps) reader.returned.add({ ...gap, format: undefined });
    return reader;
  }

  /** `rangeStart`: where the range of the next record begins; `place`: what `position` is in the middle of, when that is known. */
  constructor(position: number, rangeStart = position, lineState?: LineState) {
    this.#position = position;
    this.#rangeStart = rangeStart;
    this.#lineState = lineState;
  }

  /** All before it is in segments. */
  get position(): number {
    return this.#position;
  }

  /** Whether the next read tells by itself if the file is another one by now: it need not be looked at before. */
  sees(fd: number): boolean {
    return isLocal(fd) && !this.returned.first && this.#tail?.isWhole(this.#position) === true;
  }

  /** Lets go of what it finds out again. */
  rest(): void {
    this.#tail = undefined;
    this.#given = undefined;
    this.#format = undefined;
    this.#fitted = undefined;
    this.#former = undefined;
  }

  /**
   * Reads a chunk, of `allowed` bytes at most unless a record is longer; undefined when the file was seen to be another one by now. One call
   * at a time. Rejects with the system's error.
   */
  async read(
    bench: Workbench,
    given: LineFormat,
    file: FileNow,
    nowMs: number,
    allowed = Number.POSITIVE_INFINITY,
  ): Promise<Reading | undefined> {
    const again = this.returned.first;
    // It may be closed meanwhile, when the agent stops, or be another life's.
    const { fd } = file;
    const { lineBytesMax } = bench.records;
    const now = this.#fit(await this.#formatOf(fd, given), lineBytesMax);
    const format = again?.format ? await this.#formerFormat(fd, now, again.format, lineBytesMax) : now;
    this.#lineState ??= await lineStateAt(fd, this.#position, now);
    const from = again ? await withLineStates(fd, again, format) : this.#rest(this.#lineState);
    if (isPassedOver(from.startState))
      return this.#skip(from, again, format, bench.chunk, { fd, size: file.size, sealed: file.sealed });
    const { chunk, records, kernel } = bench;
    const { start } = from;
    const room = Math.floor(records.remaining * this.#rawPerEncoded) + 4096;
    const limit = Math.max(allowed, this.#limitedBytes);
    const want = Math.min(CHUNK_BYTES_MAX, Math.max(this.#wantBytes, room), from.end - start, limit);
    const tail = again || !isLocal(fd) ? undefined : this.#tail;
    const read = tail ? await readOn(fd, chunk, want, start, tail.bytes) : await readAt(fd, chunk, 0, want, start);
    if (!read) return undefined;
    const { bytesRead } = read;
    const seen = start + bytesRead;
    const atEnd = bytesRead < want;
    // A read may be short before the end, too: of a network file system, or before a bad sector.
    const last = again ? seen === again.end : file.sealed && atEnd && seen >= file.size;
    const waitMs =
      again || !atEnd || !format.grouping ? undefined : this.#quietFor(seen, nowMs, format.grouping.timeoutMs);
    const before = records.length;
    const encoded = encoder.encode(
      { ...from, bytes: chunk, length: bytesRead, position: start, isLast: last, isFlushed: waitMs === 0 },
      format,
      records,
      kernel,
    );
    const checksum = checksumOf(chunk.subarray(0, encoded.consumed));
    const segment = segmentOf(from, encoded, { checksum, format: format.document });
    this.#took(again, start + encoded.consumed, encoded.rangeEnd, encoded.lineState);
    if (!again) {
      this.#tail ??= new ReadTail();
      this.#tail.add(chunk.subarray(0, encoded.consumed));
    }
    if (file.events?.taps?.any && segment && !again) file.events.taps.read(file as Tapped, segment, records, before);
    if (encoded.recordCount > 0) this.#rawPerEncoded = encoded.consumed / (records.length - before);
    const againInMs = encoded.isIncomplete && waitMs ? waitMs : undefined;
    return {
      segment,
      more: this.#more(encoded, atEnd ? 0 : bytesRead, again),
      full: encoded.isFull,
      seen,
      againInMs,
    };
  }

  /** All that is not read yet. */
  #rest(startState: LineState): Range {
    const { lineStart } = lineStates;
    const end = Number.POSITIVE_INFINITY;
    return { start: this.#position, end, rangeStart: this.#rangeStart, startState, endState: lineStart };
  }

  async #formatOf(fd: number, given: LineFormat): Promise<LineFormat> {
    if (this.#format && this.#given === given) return this.#format;
    const { charset, certain } = await charsetOfFile(fd, given.charset);
    const format = charset === given.charset ? given : { ...given, charset };
    if (certain) [this.#given, this.#format] = [given, format];
    return format;
  }

  /** Of a range that was read before; the topic takes lines of `bytes` at most by now. */
  async #formerFormat(fd: number, now: LineFormat, document: string, bytes: number): Promise<LineFormat> {
    if (document === now.document) return now;
    if (this.#former?.document !== document || this.#former.bytes !== bytes) {
      const before = await formatBefore(fd, document, now.target);
      this.#former = { document, bytes, format: fitToTopic(before, bytes) };
    }
    return this.#former.format;
  }

  #fit(from: LineFormat, bytes: number): LineFormat {
    if (bytes >= from.maxLineBytes) return from;
    if (this.#fitted?.from !== from || this.#fitted.bytes !== bytes)
      this.#fitted = { from, bytes, format: fitToTopic(from, bytes) };
    return this.#fitted.format;
  }

  /** How long there must be nothing new, still, until what there is goes. */
  #quietFor(end: number, nowMs: number, timeoutMs: number): number {
    if (this.#quiet.end !== end) this.#quiet = { end, sinceMs: nowMs };
    return Math.max(0, this.#quiet.sinceMs + timeoutMs - nowMs);
  }

  /** The rest of a line that is not wanted is a segment without lines. */
  async #skip(
    from: Range,
    again: ReturnedRange | undefined,
    { charset, document }: LineFormat,
    chunk: Buffer,
    file: Parameters<typeof passOver>[3],
  ): Promise<Reading> {
    this.#tail = undefined;
    const { end, lineState, atEnd, seen } = await passOver(from, charset, chunk, file);
    const { start, rangeStart, startState } = from;
    this.#took(again, end, rangeStart, lineState);
    const cut = startState === lineStates.filtered ? undefined : { start, end, bytes: end - start };
    const kept = { checksum: 0, format: document };
    const reached = { end, endState: lineState, rangeEnd: rangeStart, lineState };
    const segment = { start, lines: 0, rangeStart, startState, ...reached, cut, ...kept };
    return {
      segment: end > start ? segment : undefined,
      more: !atEnd || !isPassedOver(lineState),
      full: false,
      seen,
      againInMs: undefined,
    };
  }

  #took(again: ReturnedRange | undefined, end: number, rangeStart: number, lineState: LineState): void {
    if (again) {
      this.returned.consumed(again, { start: end, rangeStart, startState: lineState });
      if (end >= again.end) this.#rangeStart = rangeAfter(again, this.#rangeStart);
    } else [this.#position, this.#rangeStart, this.#lineState] = [end, rangeStart, lineState];
  }

  /** Is there more to read at once, behind `bytesRead` bytes, 0 at the end? When no line fitted: with a longer read, or in the next batch. */
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
