import { LineEncoder, type LineFormat } from '../deliver/line-encoder.ts';
import { checksumOf } from '../deliver/record-batch.ts';
import { CHUNK_BYTES_MAX, type Workbench } from '../deliver/work-pool.ts';
import type { IntentSegment } from '../state/intent-store.ts';
import { isInsideLine } from './file-head.ts';
import { readAt } from './file-io.ts';
import { ReturnedRanges } from './returned-ranges.ts';

const READ_BYTES_MIN = 64 * 1024;

/** It keeps nothing from one call to the next. */
const encoder = new LineEncoder();

/** The file as its source knows it. */
export interface FileNow {
  /** Open. */
  fd: number;
  size: number;
  /** It is complete: an unterminated last line goes too. */
  sealed: boolean;
}

/** What one turn gave. */
export interface Reading {
  segment: Omit<IntentSegment, 'generation' | 'format'> | undefined;
  more: boolean;
  full: boolean;
  /** The file reaches so far, at least. */
  seen: number;
}

/** Reads one generation, and encodes its lines. Half lines are read again, from the page cache, when the rest has come. */
export class SegmentReader {
  readonly returned = new ReturnedRanges();
  #position: number;
  #insideLine: boolean | undefined;
  #wantBytes = READ_BYTES_MIN;
  #rawPerEncoded = 1;

  constructor(position: number) {
    this.#position = position;
  }

  /** All before it is in segments. */
  get position(): number {
    return this.#position;
  }

  /** Reads a chunk. One call at a time. Rejects with the system's error. */
  async read({ chunk, records }: Workbench, format: LineFormat, file: FileNow): Promise<Reading> {
    const again = this.returned.first;
    // It may be closed meanwhile, when the agent stops, or be another life's.
    const { fd } = file;
    const start = again?.start ?? this.#position;
    const room = Math.floor(records.remaining * this.#rawPerEncoded) + 4096;
    const want = Math.min(CHUNK_BYTES_MAX, Math.max(this.#wantBytes, room), again ? again.end - again.start : Infinity);
    const { bytesRead } = await readAt(fd, chunk, 0, want, start);
    const atEnd = bytesRead < want;
    const seen = start + bytesRead;
    const insideLine = again || this.#insideLine === undefined ? await isInsideLine(fd, start) : this.#insideLine;
    // A read may be short before the end, too: of a network file system, or before a bad sector.
    const last = again ? bytesRead === again.end - again.start : file.sealed && atEnd && seen >= file.size;
    const endsInsideLine = last && again !== undefined && (again.endsInsideLine ?? (await isInsideLine(fd, again.end)));
    const before = records.length;
    const encoded = encoder.encode(
      { bytes: chunk, length: bytesRead, position: start, last, insideLine, endsInsideLine },
      format,
      records,
    );
    const end = start + encoded.consumed;
    if (again) this.returned.took(again, end);
    else [this.#position, this.#insideLine] = [end, encoded.insideLine];
    const { full } = encoded;
    if (encoded.records === 0) return { segment: undefined, more: this.#widen(full, atEnd), full, seen };
    this.#wantBytes = READ_BYTES_MIN;
    this.#rawPerEncoded = encoded.consumed / (records.length - before);
    const checksum = checksumOf(chunk.subarray(0, encoded.consumed));
    const segment = { start, end, lines: encoded.records, endsInsideLine: encoded.insideLine, checksum };
    return { segment, more: full || !atEnd || again !== undefined, full, seen };
  }

  /** No line fitted: is there more to read at once? With a longer read, or in the next batch. */
  #widen(full: boolean, atEnd: boolean): boolean {
    if (full) return true;
    if (atEnd) return false;
    this.#wantBytes = CHUNK_BYTES_MAX;
    return true;
  }
}
