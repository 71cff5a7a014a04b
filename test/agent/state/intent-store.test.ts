import assert, { AssertionError } from 'node:assert/strict';
import { test } from 'node:test';
import { lineStates } from '../../../agent/model/line-state.ts';
import type { Intent } from '../../../agent/model/segment.ts';
import { IntentStore } from '../../../agent/state/intent-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { tempDir } from '../../support/temp-dir.ts';

function intentOf(baseSequence: number, more: Partial<Intent> = {}): Intent {
  const { lineStart, line } = lineStates;
  const range = { generation: 'g', start: 10, end: 30, rangeStart: 8, rangeEnd: 28, lines: 2 };
  const states = { startState: lineStart, endState: lineStart, lineState: line };
  const segment = { ...range, ...states, cut: { start: 20, end: 25, bytes: 5 }, checksum: 7, format: '{"host":"h"}' };
  const batch = { recordCount: 2, timestampMs: 1, compression: 'lz4', segments: [segment] } as const;
  return { topic: 't', partition: 0, producer: { id: 1n, epoch: 0 }, baseSequence, ...batch, ...more };
}

test('a reopened state has the open intents, and not those that were acknowledged or withdrawn', async () => {
  await using dir = await tempDir();
  const state = StateDatabase.open(dir.path);
  const store = new IntentStore(state);
  const ids = [0, 2, 4].map((baseSequence) => store.add(intentOf(baseSequence)));
  store.acknowledged(ids[0] as number);
  store.withdraw(ids[1] as number);
  state.flush(2);
  state.close();
  const reopened = StateDatabase.open(dir.path);
  assert.deepEqual(new IntentStore(reopened).openIntents(), [{ id: ids[2], ...intentOf(4) }]);
  reopened.close();
});

test('an intent is closed once', async () => {
  await using dir = await tempDir();
  const state = StateDatabase.open(dir.path);
  const store = new IntentStore(state);
  const id = store.add(intentOf(0)) as number;
  assert.throws(() => store.acknowledged(id + 1), AssertionError, 'it was never written');
  store.acknowledged(id);
  assert.throws(() => store.withdraw(id), AssertionError);
  state.close();
});

test('an intent whose lines and records differ is neither written nor read', async () => {
  await using dir = await tempDir();
  const state = StateDatabase.open(dir.path);
  const store = new IntentStore(state, false);
  assert.throws(() => store.add(intentOf(0, { recordCount: 3 })), AssertionError);
  store.add(intentOf(0));
  state.db.exec('UPDATE intent SET record_count = 3');
  assert.throws(() => store.openIntents(), AssertionError);
  state.close();
});
