import assert, { AssertionError } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecordBatch } from '../../../agent/encode/record-batch.ts';
import { type OutgoingBatch, QueuedBatch } from '../../../agent/produce/queued-batch.ts';

function outgoing(more: Partial<OutgoingBatch> = {}): OutgoingBatch {
  const encoded = encodeRecordBatch({ compression: 'none', recordCount: 3, timestampMs: 1 }, []);
  return { encoded, recordCount: 3, facts: undefined, onAcknowledged: () => {}, onReturned: () => {}, ...more };
}

test('a batch is acknowledged or returned, once', () => {
  const events: string[] = [];
  const batch = QueuedBatch.fromOutgoing(
    outgoing({ onAcknowledged: () => events.push('acknowledged'), onReturned: () => events.push('returned') }),
  );
  batch.acknowledged();
  assert.throws(() => batch.acknowledged(), AssertionError);
  assert.throws(() => batch.returned(undefined), AssertionError);
  assert.deepEqual(events, ['acknowledged']);
});

test('a batch gets one sequence at a time, which may wrap', () => {
  const batch = QueuedBatch.fromOutgoing(outgoing());
  assert.throws(() => batch.lastSequence, AssertionError);
  batch.assignSequence(2 ** 31 - 2, 7);
  assert.deepEqual([batch.baseSequence, batch.lastSequence, batch.intent], [2 ** 31 - 2, 0, 7]);
  assert.throws(() => batch.assignSequence(5, 8), AssertionError);
  batch.withdraw();
  batch.assignSequence(5, 8);
  assert.deepEqual([batch.baseSequence, batch.lastSequence, batch.intent], [5, 7, 8]);
});

test('a parked batch gives up its memory and is built again; without a way to build it, it keeps its bytes', async () => {
  let parked = 0;
  const { encoded } = outgoing();
  const batch = QueuedBatch.fromOutgoing(outgoing({ park: () => parked++, build: async () => encoded }));
  batch.park();
  batch.park();
  assert.deepEqual([parked, batch.encoded, batch.needsFile], [1, undefined, false]);
  assert.equal(await batch.build(), true);
  assert.equal(batch.encoded, encoded);
  const fixed = QueuedBatch.fromOutgoing(outgoing());
  fixed.park();
  assert.ok(fixed.encoded);
});
