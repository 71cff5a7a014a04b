import assert, { AssertionError } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecordBatch } from '../../../agent/encode/record-batch.ts';
import { PartitionLedger } from '../../../agent/produce/partition-ledger.ts';
import { QueuedBatch } from '../../../agent/produce/queued-batch.ts';
import { IntentStore } from '../../../agent/state/intent-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { tempDir } from '../../support/temp-dir.ts';

const INCARNATION = { clusterId: 'c', topicId: 't' };

function batchOf(recordCount: number): QueuedBatch {
  const encoded = encodeRecordBatch({ compression: 'none', recordCount, timestampMs: 1 }, []);
  const events = { onAcknowledged: () => {}, onReturned: () => {} };
  return QueuedBatch.fromOutgoing({ encoded, recordCount, facts: undefined, ...events });
}

test('sequences follow one another, and the next batch gets the sequence of the first withdrawn one', async () => {
  await using dir = await tempDir();
  const state = StateDatabase.open(dir.path);
  const ledger = new PartitionLedger(new IntentStore(state), { topic: 't', partition: 0 });
  assert.throws(() => ledger.assignSequence(batchOf(1)), AssertionError, 'there is no producer id yet');
  ledger.startProducer(INCARNATION, { id: 1n, epoch: 0 }, -1n);
  const batches = [batchOf(2), batchOf(3), batchOf(1)];
  for (const batch of batches) ledger.assignSequence(batch);
  assert.deepEqual(
    batches.map(({ baseSequence }) => baseSequence),
    [0, 2, 5],
  );
  ledger.acknowledged(batches[0] as QueuedBatch, 0n);
  assert.equal(ledger.lastOffset, 1n);
  assert.throws(() => ledger.startProducer(INCARNATION, { id: 2n, epoch: 0 }, 1n), AssertionError);
  ledger.withdraw(batches.slice(1));
  const next = batchOf(1);
  ledger.assignSequence(next);
  assert.equal(next.baseSequence, 2);
  state.close();
});

test('open batches of the previous process must be in the order of their sequences', async () => {
  await using dir = await tempDir();
  const state = StateDatabase.open(dir.path);
  const ledger = new PartitionLedger(new IntentStore(state), { topic: 't', partition: 0 });
  const placed = [5, 9].map((baseSequence) => {
    const batch = batchOf(2);
    batch.assignSequence(baseSequence, undefined);
    return batch;
  });
  assert.throws(() => ledger.restore(placed.toReversed()), AssertionError);
  ledger.restore(placed);
  assert.equal(ledger.nextSequence, 11);
  state.close();
});
