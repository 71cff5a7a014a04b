import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointStore } from '../../../agent/state/checkpoint-store.ts';
import { IntentStore } from '../../../agent/state/intent-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { insertGeneration, previousState } from '../../upgrade/previous-state.ts';

test('in a state of format 6 the next range of a file begins at its first position instead of at 0', async () => {
  await using dir = await tempDir();
  const db = previousState(dir.path);
  insertGeneration(db, { generation: 'unread', first: 12, position: 12, range_end: 0 });
  insertGeneration(db, { generation: 'filtered', first: 12, position: 50, range_end: 0 });
  insertGeneration(db, { generation: 'read', first: 12, position: 50, range_end: 40 });
  insertGeneration(db, { generation: 'whole', first: 0, position: 50, range_end: 0 });
  db.close();
  const state = StateDatabase.open(dir.path);
  const found = new CheckpointStore(state).load('e').map(({ generation, rangeEnd }) => [generation, rangeEnd]);
  assert.deepEqual(Object.fromEntries(found), { unread: 12, filtered: 12, read: 40, whole: 0 });
  state.close();
});

test('in open intents of format 6 first ranges are corrected, and those of replays and of other files stay', async () => {
  await using dir = await tempDir();
  const db = previousState(dir.path);
  insertGeneration(db, { generation: 'g1', first: 12, position: 12, range_end: 0 });
  insertGeneration(db, { generation: 'g2', first: 0, position: 0, range_end: 0 });
  db.exec(`INSERT INTO format VALUES (1, '{"entry":"a"}'), (2, '{"entry":"a","replay":"r"}');
    INSERT INTO intent VALUES
      (1, 't', 0, 7, 0, 0, 2, 1, 'lz4', 'g1,12,16,1,0,0,0,99,1,16,0 g2,0,4,1,0,0,0,98,1,4,0'),
      (2, 't', 0, 7, 0, 2, 2, 1, 'lz4', 'g1,16,30,1,16,0,0,97,1,20,24,4,30,0 g1,0,12,1,0,0,0,96,2,12,0');`);
  db.close();
  const state = StateDatabase.open(dir.path);
  const intents = new IntentStore(state).openIntents();
  const ranges = intents.map(({ segments }) =>
    segments.map(({ generation, rangeStart, rangeEnd, checksum, replay }) =>
      [generation, rangeStart, rangeEnd, checksum, replay].join(' '),
    ),
  );
  assert.deepEqual(ranges, [
    ['g1 12 16 99 ', 'g2 0 4 98 '],
    ['g1 16 30 97 ', 'g1 0 12 96 r'],
  ]);
  assert.deepEqual(intents[1]?.segments[0]?.cut, { start: 20, end: 24, bytes: 4 });
  state.close();
});
