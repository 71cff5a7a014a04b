import assert, { AssertionError } from 'node:assert/strict';
import { test } from 'node:test';
import { batchHeaders, encodeRecordBatch, stampProducer } from '../../../agent/encode/record-batch.ts';

function encoded(baseSequence: number, recordCount: number): Buffer {
  const batch = encodeRecordBatch({ compression: 'none', recordCount, timestampMs: 1 }, [Buffer.from('records')]);
  stampProducer(batch, { id: 7n, epoch: 1 }, baseSequence);
  return Buffer.concat([batch.header, ...batch.records]);
}

test('the headers of a log are those of its complete batches', () => {
  const log = Buffer.concat([encoded(0, 2), encoded(2, 3), encoded(5, 1).subarray(0, 65)]);
  const producer = { id: 7n, epoch: 1 };
  assert.deepEqual(
    [...batchHeaders(log)],
    [
      { lastOffset: 1n, producer, baseSequence: 0, recordCount: 2 },
      { lastOffset: 2n, producer, baseSequence: 2, recordCount: 3 },
    ],
  );
});

test('a malformed length in a log is an error, not an endless loop', () => {
  for (const length of [-12, -1]) {
    const log = encoded(0, 1);
    log.writeInt32BE(length, 8);
    assert.throws(() => [...batchHeaders(log)], RangeError, `length ${length}`);
  }
});

test('a batch needs records and a sequence', () => {
  assert.throws(() => encoded(0, 0), AssertionError);
  assert.throws(() => encoded(-1, 1), AssertionError);
});
