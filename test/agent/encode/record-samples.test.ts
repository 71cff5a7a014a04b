import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineEncoder } from '../../../agent/encode/line-encoder.ts';
import { RecordBuffer } from '../../../agent/encode/record-buffer.ts';
import { sampleRecords } from '../../../agent/encode/record-samples.ts';
import { lineStates } from '../../../agent/model/line-state.ts';
import { decodeRecords } from '../../support/decode-records.ts';
import { testFormat } from '../../support/formats.ts';

/** Encodes lines after other lines, as in a batch of several sources. */
function encoded(lines: readonly string[], headers: 'standard' | 'none') {
  const target = new RecordBuffer();
  const encode = (texts: readonly string[]) => {
    const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
    const at = { position: 0, rangeStart: 0, startState: lineStates.lineStart, endState: lineStates.lineStart };
    const chunk = { bytes, length: bytes.length, ...at, isLast: false, isFlushed: false };
    new LineEncoder().encode(chunk, testFormat({ headers }), target);
  };
  encode(['another', "source's"]);
  const from = target.length;
  const before = target.recordCount;
  encode(lines);
  return { bytes: target.bytes, from, records: decodeRecords(target.view(), target.recordCount).slice(before) };
}

test('samples have the wanted number, keep their order and spread over all records', () => {
  const line = fc.string({ maxLength: 300 }).map((text) => text.replaceAll('\n', ' '));
  const all = fc.array(line, { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(all, fc.integer({ min: 1, max: 60 }), fc.constantFrom('standard', 'none'), (lines, asked, headers) => {
      const { bytes, from, records } = encoded(lines, headers);
      const wanted = Math.min(asked, records.length);
      const samples = sampleRecords(bytes, from, { count: records.length, wanted, valueBytesMax: 100 });
      assert.equal(samples.length, wanted);
      const chosen = samples.map((_, index) => Math.ceil(((index + 1) * records.length) / wanted) - 1);
      assert.deepEqual(
        samples.map(({ value, valueBytes, range }) => [value, valueBytes, range]),
        chosen.map((index) => {
          const { value, headers: of } = records[index] as (typeof records)[number];
          return [value.subarray(0, 100), value.length, of['logfleet.range']];
        }),
      );
    }),
  );
});

test('a sample is a copy, because its buffer is reused', () => {
  const { bytes, from } = encoded(['a line'], 'standard');
  const [sample] = sampleRecords(bytes, from, { count: 1, wanted: 1, valueBytesMax: 100 });
  bytes.fill(0);
  assert.equal(String(sample?.value), 'a line');
});
