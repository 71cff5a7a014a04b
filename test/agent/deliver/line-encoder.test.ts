import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineEncoder } from '../../../agent/deliver/line-encoder.ts';
import { RecordBuffer } from '../../../agent/deliver/record-buffer.ts';
import { standardHeaders } from '../../../agent/deliver/record-headers.ts';
import { decodeRecords } from '../../support/decode-records.ts';

const headers = standardHeaders({ host: 'web-17', path: '/var/log/a b.log', entry: 'nginx', generation: '00ff' });

/** Encodes `bytes` in chunks of `chunkBytes`, reading half lines again, as a source does. */
function encodeAll(bytes: Buffer, options: { chunkBytes: number; maxLineBytes: number; position: number }) {
  const encoder = new LineEncoder();
  const target = new RecordBuffer();
  const format = { document: '', headers, maxLineBytes: options.maxLineBytes };
  let at = 0;
  let insideLine = false;
  let want = options.chunkBytes;
  while (at < bytes.length) {
    const chunk = bytes.subarray(at, at + want);
    const last = at + chunk.length === bytes.length;
    const result = encoder.encode(
      { bytes: chunk, length: chunk.length, position: options.position + at, last, insideLine, endsInsideLine: false },
      format,
      target,
    );
    assert.equal(result.full, false);
    want = result.records === 0 ? want * 2 : options.chunkBytes;
    insideLine = result.insideLine;
    at += result.consumed;
  }
  return decodeRecords(target.view(), target.records);
}

const text = fc
  .array(fc.constantFrom('a', '\n', '\r', '\0', 'é', '\u{1f600}', 'xyz'), { maxLength: 300 })
  .map((parts) => Buffer.from(parts.join('')));

test('whatever the bytes and the chunks, the ranges tile and the values are the bytes between the newlines', () => {
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

test('a line as long as allowed is one record, a longer one is split at that length whatever the chunks are', () => {
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

test('the headers are those of the record contract, and an unterminated last line is flagged', () => {
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

test('a half line stays in the file until it is the last', () => {
  const encoder = new LineEncoder();
  const target = new RecordBuffer();
  const bytes = Buffer.from('one\ntwo');
  const chunk = { bytes, length: bytes.length, position: 0, last: false, insideLine: false, endsInsideLine: false };
  const result = encoder.encode(chunk, { document: '', headers: undefined, maxLineBytes: 1024 }, target);
  assert.deepEqual(result, { consumed: 4, records: 1, insideLine: false, full: false });
});

test('a batch takes no line beyond its size, but always one', () => {
  const encoder = new LineEncoder();
  const target = new RecordBuffer();
  target.reset(100);
  const bytes = Buffer.from(`${'x'.repeat(200)}\n${'y'.repeat(20)}\n`);
  const chunk = { bytes, length: bytes.length, position: 0, last: false, insideLine: false, endsInsideLine: false };
  const result = encoder.encode(chunk, { document: '', headers: undefined, maxLineBytes: 1024 }, target);
  assert.deepEqual(result, { consumed: 201, records: 1, insideLine: false, full: true });
});

test('a piece of a split line that is read again is flagged as it was', () => {
  const bytes = Buffer.from('x'.repeat(100));
  const target = new RecordBuffer();
  const chunk = { bytes, length: 100, position: 0, last: true, insideLine: false, endsInsideLine: true };
  const result = new LineEncoder().encode(chunk, { document: '', headers, maxLineBytes: 100 }, target);
  assert.deepEqual(result, { consumed: 100, records: 1, insideLine: true, full: false });
  const [record] = decodeRecords(target.view(), 1);
  assert.equal(record?.headers['logfleet.flags'], 'split');
});
