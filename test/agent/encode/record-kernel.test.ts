import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { decompressFrameSync } from 'lz4-napi';
import { LineEncoder } from '../../../agent/encode/line-encoder.ts';
import { lineFormat, replayFormat, sharedFormat } from '../../../agent/encode/line-format.ts';
import { RecordBuffer } from '../../../agent/encode/record-buffer.ts';
import { createWorkbenches } from '../../../agent/encode/work-pool.ts';
import { type LineState, lineStates } from '../../../agent/model/line-state.ts';
import { decodeRecords } from '../../support/decode-records.ts';
import { testFormat } from '../../support/formats.ts';
import { LOGHUB } from '../../support/loghub.ts';
import { testBench } from '../../support/test-bench.ts';

const encoder = new LineEncoder();
const bench = testBench();

interface Lines {
  lines: Buffer;
  position: number;
  /** How far before `position` the first record's range begins. */
  skipped: number;
  maxLineBytes: number;
  batchBytes: number;
  headers: 'standard' | 'none';
  replay: string | undefined;
  startState: LineState;
  last: boolean;
}

const anyLines: fc.Arbitrary<Lines> = fc.record({
  lines: fc
    .array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 255 })), { maxLength: 60 })
    .map((parts) => Buffer.concat(parts.map(([bytes, fill]) => Buffer.alloc(bytes + 1, fill).fill('\n', bytes)))),
  position: fc.oneof(
    fc.integer({ min: 0, max: 2 ** 40 }),
    fc.constantFrom(0, 9, 99, 999_950, 10 ** 15 - 30, Number.MAX_SAFE_INTEGER - 20_000),
  ),
  skipped: fc.integer({ min: 0, max: 3 }),
  maxLineBytes: fc.integer({ min: 8, max: 400 }),
  batchBytes: fc.integer({ min: 1, max: 20_000 }),
  headers: fc.constantFrom('standard', 'none'),
  replay: fc.constantFrom(undefined, 'r1'),
  startState: fc.constantFrom(lineStates.lineStart, lineStates.line),
  last: fc.boolean(),
});

test('the kernel writes the same bytes as the line-by-line encoder', () => {
  fc.assert(
    fc.property(anyLines, (given) => {
      const { lines, position, skipped, maxLineBytes, batchBytes, headers, replay, startState, last } = given;
      const format = testFormat({ maxLineBytes, headers, ...(replay && { replay }) });
      const rangeStart = Math.max(0, position - skipped);
      const plain = { length: lines.length, position, rangeStart, startState, endState: lineStates.lineStart };
      const oneByOne = new RecordBuffer();
      oneByOne.reset(batchBytes);
      const expected = encoder.encode({ ...plain, bytes: lines, isLast: last, isFlushed: false }, format, oneByOne);
      // Bytes after the chunk, and old bytes in the record buffer, must not matter.
      bench.chunk.fill('\n');
      bench.records.bytes.fill(0xff, 0, 30_000);
      lines.copy(bench.chunk);
      bench.records.reset(batchBytes);
      const chunk = { ...plain, bytes: bench.chunk, isLast: last, isFlushed: false };
      const encoded = encoder.encode(chunk, format, bench.records, bench.kernel);
      assert.deepEqual(encoded, expected);
      assert.equal(bench.records.recordCount, oneByOne.recordCount);
      assert.deepEqual(bench.records.view(), oneByOne.view());
    }),
    { numRuns: 2_000 },
  );
});

test('the kernel writes the records of a replay, which name the replay', () => {
  const bytes = Buffer.from('one\ntwo\n');
  bytes.copy(bench.chunk);
  bench.records.reset();
  const format = replayFormat(testFormat({ headers: 'none' }), 'r1', true);
  const chunk = {
    bytes: bench.chunk,
    length: bytes.length,
    position: 0,
    rangeStart: 0,
    isLast: false,
    isFlushed: false,
  };
  const lineState = { startState: lineStates.lineStart, endState: lineStates.lineStart };
  assert.ok(bench.kernel.canEncode(bench.chunk, format.headers?.forFlags(0)));
  encoder.encode({ ...chunk, ...lineState }, format, bench.records, bench.kernel);
  const headers = decodeRecords(bench.records.view(), 2).map((record) => record.headers);
  const own = { 'logfleet.replay': 'r1', 'logfleet.flags': 'replay', 'logfleet.generation': '00ff' };
  const rest = { 'host.name': 'web-17', 'log.file.path': '/var/log/a b.log', 'logfleet.entry': 'nginx' };
  assert.deepEqual(headers, [
    { ...own, ...rest, 'logfleet.range': '0-4' },
    { ...own, ...rest, 'logfleet.range': '4-8' },
  ]);
});

test('segments of several sources are appended to a batch, each with its own headers', () => {
  const bytes = Buffer.from('one\ntwo\n');
  const formats = ['00', '11', '22'].map((generation) =>
    lineFormat(sharedFormat({ host: 'h', entry: 'e', headers: 'standard', maxLineBytes: 100 }), {
      path: '/x',
      generation,
    }),
  );
  const expected = new RecordBuffer();
  bench.records.reset();
  for (const format of formats) {
    const lineState = { position: 5, rangeStart: 5, startState: lineStates.lineStart, endState: lineStates.lineStart };
    const chunk = { length: bytes.length, ...lineState, isLast: false, isFlushed: false };
    encoder.encode({ ...chunk, bytes }, format, expected);
    bytes.copy(bench.chunk);
    encoder.encode({ ...chunk, bytes: bench.chunk }, format, bench.records, bench.kernel);
  }
  assert.equal(bench.records.recordCount, 6);
  assert.deepEqual(bench.records.view(), expected.view());
});

test('the longest line fills the buffer, and workbenches in one memory do not overlap', () => {
  const benches = createWorkbenches(3);
  const fill = (at: number, byte: string) => {
    const { chunk, records, kernel } = benches[at] as (typeof benches)[0];
    chunk.fill(byte, 0, 1_000_001).fill('\n', 1_000_000);
    records.reset(100);
    const lineState = { position: 0, rangeStart: 0, startState: lineStates.lineStart, endState: lineStates.lineStart };
    const line = { bytes: chunk, length: 1_000_001, ...lineState, isLast: false, isFlushed: false };
    assert.equal(encoder.encode(line, testFormat({ maxLineBytes: 1_000_000 }), records, kernel).recordCount, 1);
  };
  for (const [at, byte] of ['a', 'b', 'c'].entries()) fill(at, byte);
  for (const [at, byte] of ['a', 'b', 'c'].entries()) {
    const { chunk, records, kernel } = benches[at] as (typeof benches)[0];
    assert.ok(chunk.subarray(0, 1_000_000).every((one) => one === byte.charCodeAt(0)));
    assert.ok(records.view().includes(Buffer.alloc(1_000_000, byte)));
    assert.deepEqual(decompressFrameSync(Buffer.from(kernel.lz4Frame(records.view()))), records.view());
  }
});

function lz4RoundTrip(bytes: Buffer): Buffer {
  const { records, kernel } = bench;
  bytes.copy(records.bytes);
  const frame = Buffer.from(kernel.lz4Frame(records.bytes.subarray(0, bytes.length)));
  const size = frame.readUInt32LE(7);
  if (size < 2 ** 31) assertEndsByTheBook(frame.subarray(11, 11 + size), bytes.length);
  return decompressFrameSync(frame);
}

/**
 * Checks what a strict decoder may require: the last five bytes are literals, and no match begins
 * in the last twelve
 * (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md#end-of-block-conditions).
 */
function assertEndsByTheBook(block: Buffer, length: number): void {
  let at = 0;
  let out = 0;
  const more = (short: number) => {
    let sum = short;
    if (short === 15) {
      let byte = 255;
      while (byte === 255) {
        byte = block[at++] as number;
        sum += byte;
      }
    }
    return sum;
  };
  for (;;) {
    const token = block[at++] as number;
    const literals = more(token >> 4);
    at += literals;
    out += literals;
    if (at === block.length) {
      assert.equal(out, length);
      assert.ok(out === literals || literals >= 5, 'the last literals are too few');
      return;
    }
    assert.ok(out <= length - 12, 'a match begins too late');
    at += 2;
    out += more(token & 15) + 4;
  }
}

test('another implementation decodes an LZ4 frame of any bytes', () => {
  const repeated = fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 400 })), {
      maxLength: 30,
    })
    .map((parts) => Buffer.concat(parts.flatMap(([piece, times]) => Array.from({ length: times }, () => piece))));
  const any = fc.oneof(repeated, fc.uint8Array({ maxLength: 100 }).map(Buffer.from));
  fc.assert(
    fc.property(any, (bytes) => {
      assert.deepEqual(lz4RoundTrip(bytes), bytes);
    }),
    { numRuns: 1_000 },
  );
});

test('incompressible bytes, matches at the maximum distance, and runs around the code lengths decode', () => {
  assert.deepEqual(lz4RoundTrip(randomBytes(1_000_000)), Buffer.from(bench.records.bytes.subarray(0, 1_000_000)));
  const once = randomBytes(64);
  for (const distance of [65_534, 65_535, 65_536, 65_537, 131_072]) {
    const between = Buffer.alloc(distance - once.length, 'b');
    const bytes = Buffer.concat([once, between, once, Buffer.alloc(20, 'x')]);
    assert.deepEqual(lz4RoundTrip(bytes), bytes);
  }
  for (let again = 0; again <= once.length; again++) {
    const bytes = Buffer.concat([once, once.subarray(0, again)]);
    assert.deepEqual(lz4RoundTrip(bytes), bytes);
  }
  for (let length = 0; length < 600; length++) {
    const bytes = Buffer.concat([Buffer.alloc(length, 'r'), randomBytes(length)]);
    assert.deepEqual(lz4RoundTrip(bytes), bytes);
  }
});

test('the LZ4 frames of real logs decode', () => {
  for (const name of ['Apache', 'HDFS', 'Spark', 'Zookeeper']) {
    const bytes = readFileSync(join(LOGHUB, `${name}.log`)).subarray(0, 1_000_000);
    assert.deepEqual(lz4RoundTrip(bytes), bytes);
  }
});
