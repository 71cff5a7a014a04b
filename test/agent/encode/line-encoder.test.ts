import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Chunk } from '../../../agent/encode/chunk.ts';
import { LineEncoder } from '../../../agent/encode/line-encoder.ts';
import { RecordBuffer } from '../../../agent/encode/record-buffer.ts';
import { type LineState, lineStates } from '../../../agent/model/line-state.ts';
import { decodeRecords } from '../../support/decode-records.ts';
import { testFormat } from '../../support/formats.ts';

/** Encodes `bytes` in chunks of `chunkBytes` and reads incomplete lines again, as a source does. */
function encodeAll(bytes: Buffer, options: { chunkBytes: number; maxLineBytes: number; position: number }) {
  const encoder = new LineEncoder();
  const target = new RecordBuffer();
  const format = testFormat({ maxLineBytes: options.maxLineBytes });
  let at = 0;
  let lineState: LineState = lineStates.lineStart;
  let want = options.chunkBytes;
  while (at < bytes.length) {
    const part = bytes.subarray(at, at + want);
    const last = at + part.length === bytes.length;
    const result = encoder.encode(
      chunkOf(part, options.position + at, { isLast: last, startState: lineState }),
      format,
      target,
    );
    assert.equal(result.isFull, false);
    want = result.recordCount === 0 ? want * 2 : options.chunkBytes;
    lineState = result.lineState;
    at += result.consumed;
  }
  return decodeRecords(target.view(), target.recordCount);
}

function chunkOf(bytes: Buffer, position: number, more: Partial<Chunk> = {}): Chunk {
  const plain = { startState: lineStates.lineStart, endState: lineStates.lineStart, isLast: false, isFlushed: false };
  return { bytes, length: bytes.length, position, rangeStart: position, ...plain, ...more };
}

const text = fc
  .array(fc.constantFrom('a', '\n', '\r', '\0', 'é', '\u{1f600}', 'xyz'), { maxLength: 300 })
  .map((parts) => Buffer.from(parts.join('')));

test('for any bytes and chunks, the ranges tile and the values are the bytes between the newlines', () => {
  fc.assert(
    fc.property(
      text,
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 8, max: 64 }),
      fc.integer({ min: 0, max: 2 ** 40 }),
      (bytes, chunkBytes, maxLineBytes, position) => {
        const records = encodeAll(bytes, { chunkBytes, maxLineBytes, position });
        let at = position;
        const parts: Buffer[] = [];
        for (const { value, headers: own } of records) {
          const [start, end] = (own['logfleet.range'] as string).split('-').map(Number) as [number, number];
          assert.equal(start, at);
          parts.push(value);
          if (end - start > value.length) parts.push(Buffer.from('\n'));
          assert.ok(!value.includes(0x0a) && value.length <= maxLineBytes);
          at = end;
        }
        assert.equal(at, position + bytes.length);
        assert.deepEqual(Buffer.concat(parts), bytes);
      },
    ),
    { numRuns: 500 },
  );
});

test('a line of the maximum length is one record; a longer one is split there, whatever the chunks', () => {
  const bytes = Buffer.from(`${'a'.repeat(16)}\n${'b'.repeat(17)}\n${'c'.repeat(40)}`);
  for (const chunkBytes of [1, 7, 16, 17, 18, 100]) {
    const records = encodeAll(bytes, { chunkBytes, maxLineBytes: 16, position: 0 });
    const seen = records.map(({ value, headers: own }) => [value.toString(), own['logfleet.flags']]);
    assert.deepEqual(seen, [
      ['a'.repeat(16), undefined],
      ['b'.repeat(16), 'split'],
      ['b', 'split'],
      ['c'.repeat(16), 'split'],
      ['c'.repeat(16), 'split'],
      ['c'.repeat(8), 'split,unterminated'],
    ]);
  }
});

test('the headers follow the record contract, and an unterminated last line is flagged', () => {
  const [record] = encodeAll(Buffer.from('half'), { chunkBytes: 10, maxLineBytes: 100, position: 999_999_998 });
  assert.deepEqual(record?.headers, {
    'host.name': 'web-17',
    'log.file.path': '/var/log/a b.log',
    'logfleet.entry': 'nginx',
    'logfleet.generation': '00ff',
    'logfleet.range': '999999998-1000000002',
    'logfleet.flags': 'unterminated',
  });
});

test('an incomplete line stays in the file unless it is the last', () => {
  const target = new RecordBuffer();
  const {
    consumed,
    recordCount: records,
    lineState,
    isFull: full,
  } = new LineEncoder().encode(chunkOf(Buffer.from('one\ntwo'), 0), testFormat(), target);
  assert.deepEqual(
    { consumed, records, lineState, full },
    { consumed: 4, records: 1, lineState: lineStates.lineStart, full: false },
  );
});

test('a batch does not exceed its size, except by a single line', () => {
  const target = new RecordBuffer();
  target.reset(100);
  const bytes = Buffer.from(`${'x'.repeat(200)}\n${'y'.repeat(20)}\n`);
  const {
    consumed,
    recordCount: records,
    isFull: full,
  } = new LineEncoder().encode(chunkOf(bytes, 0), testFormat(), target);
  assert.deepEqual({ consumed, records, full }, { consumed: 201, records: 1, full: true });
});

test('a part of a split line keeps its flags when it is read again', () => {
  const target = new RecordBuffer();
  const chunk = chunkOf(Buffer.from('x'.repeat(100)), 0, { isLast: true, endState: lineStates.line });
  const {
    consumed,
    recordCount: records,
    endState,
  } = new LineEncoder().encode(chunk, testFormat({ maxLineBytes: 100 }), target);
  assert.deepEqual({ consumed, records, endState }, { consumed: 100, records: 1, endState: lineStates.line });
  const [record] = decodeRecords(target.view(), 1);
  assert.equal(record?.headers['logfleet.flags'], 'split');
});
