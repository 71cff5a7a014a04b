import assert from 'node:assert/strict';
import { appendFileSync, closeSync, openSync, readSync } from 'node:fs';
import { SegmentReader } from '../../agent/collect/read/segment-reader.ts';
import { LineEncoder } from '../../agent/encode/line-encoder.ts';
import type { LineFormat } from '../../agent/encode/line-format.ts';
import { RecordBuffer } from '../../agent/encode/record-buffer.ts';
import type { Workbench } from '../../agent/encode/work-pool.ts';
import { EMPTY_HEAD } from '../../agent/model/fingerprint.ts';
import type { IntentSegment } from '../../agent/model/segment.ts';
import { type DecodedRecord, decodeRecords } from './decode-records.ts';
import { testBench } from './test-bench.ts';

/** A segment with its records as they are in the batch. */
export interface ReadSegment {
  segment: Omit<IntentSegment, 'generation'>;
  encoded: Buffer;
  records: DecodedRecord[];
}

/** Where a reader begins, and its first record's range; by default 0 and the same. */
interface ReadFrom {
  position?: number;
  rangeStart?: number;
}

/** Reads a file as a source does, each turn into a batch of its own. The caller writes the file. */
export class TurnReader implements Disposable {
  readonly fd: number;
  format: LineFormat;
  readonly #bench: Workbench = testBench();
  readonly #batchBytes: () => number;
  readonly reader: SegmentReader;
  readonly segments: ReadSegment[] = [];
  nowMs = 0;
  /** The topic's limit for a record. */
  lineBytesMax = Number.POSITIVE_INFINITY;
  /** What a rate limit allows. */
  allowed = Number.POSITIVE_INFINITY;
  /** How long the last turn asked to wait for more lines. */
  againInMs: number | undefined;

  constructor(file: string, format: LineFormat, from: ReadFrom | SegmentReader = {}, batchBytes = () => 1_000_000) {
    appendFileSync(file, '');
    this.fd = openSync(file, 'r');
    this.format = format;
    this.#batchBytes = batchBytes;
    if (from instanceof SegmentReader) this.reader = from;
    else this.reader = new SegmentReader(from.position ?? 0, from.rangeStart ?? from.position ?? 0);
  }

  /** Reads while there is something to read, and returns the segments. */
  async read(file = { size: 0, sealed: false }): Promise<ReadSegment[]> {
    const from = this.segments.length;
    for (;;) {
      const { records } = this.#bench;
      records.reset(this.#batchBytes(), this.lineBytesMax);
      const unknown = { fingerprint: { head: EMPTY_HEAD, markers: [] } };
      const now = { fd: this.fd, size: file.size, lastLineDue: file.sealed, file: unknown };
      const reading = await this.reader.read(this.#bench, this.format, now, this.nowMs, this.allowed);
      assert.ok(reading, 'the file was taken for another one');
      const { segment, more, againInMs } = reading;
      this.againInMs = againInMs;
      if (segment) {
        const encoded = Buffer.from(records.view());
        this.segments.push({ segment, encoded, records: decodeRecords(encoded, segment.lines) });
      }
      if (!more) return this.segments.slice(from);
    }
  }

  get records(): DecodedRecord[] {
    return this.segments.flatMap(({ records }) => records);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/**
 * Builds a segment's records again from its bytes, as after a crash. `charset`: that of the file.
 */
export function rebuilt(fd: number, { segment }: ReadSegment, format: LineFormat): Buffer {
  const { start, end } = segment;
  const bytes = Buffer.alloc(end - start);
  readSync(fd, bytes, 0, bytes.length, start);
  const target = new RecordBuffer();
  const chunk = { ...segment, bytes, length: bytes.length, position: start, isLast: true, isFlushed: false };
  const { consumed, recordCount: records } = new LineEncoder().encode(chunk, format, target);
  if (consumed !== bytes.length || records !== segment.lines)
    throw new Error(`${start}-${end} had ${segment.lines} records, and has ${records}, up to ${start + consumed}`);
  return Buffer.from(target.view());
}
