import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newCheckpoint } from '../../../agent/model/checkpoint.ts';
import { CheckpointStore } from '../../../agent/state/checkpoint-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { insertGeneration, previousState } from '../../upgrade/previous-state.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 0, 1);
const known = { entryUid: 'e', generation: '00ff' };

/** A store with one generation, whose position can be set at a time. */
function opened(dir: string) {
  const state = StateDatabase.open(dir);
  const store = new CheckpointStore(state);
  const made = newCheckpoint('e', '00ff', { device: 1n, inode: 2n, path: '/a.log', birthMs: 0 });
  const moveTo = (position: number, timeMs: number) => {
    store.put({ ...made, position });
    state.flush(timeMs);
  };
  const rows = () => Number(state.db.prepare('SELECT count(*) AS rows FROM milestone').get()?.['rows']);
  return { state, store, moveTo, rows };
}

test('a growing generation gets one milestone a minute, an idle one none', async () => {
  await using dir = await tempDir();
  const { state, store, moveTo, rows } = opened(dir.path);
  for (let quarter = 0; quarter < 4 * 60 * 5; quarter++) moveTo(quarter, START_MS + quarter * 250);
  assert.equal(rows(), 5);
  const before = (timeMs: number) => store.milestones.lastBefore(known, timeMs)?.position;
  // Never later than the requested time, and at most a minute earlier.
  for (let second = 60; second < 300; second += 7) {
    const position = before(START_MS + second * 1_000) as number;
    assert.ok(position <= second * 4 && position >= (second - 61) * 4, `${position} after ${second} s`);
  }
  assert.equal(before(START_MS - 1), undefined);
  for (let minute = 5; minute < 60; minute++) moveTo(1199, START_MS + minute * MINUTE_MS);
  assert.equal(rows(), 5);
  assert.equal(before(START_MS + HOUR_MS), 1199);
  store.remove('e', '00ff');
  state.flush(START_MS + DAY_MS);
  assert.equal(rows(), 0);
  state.close();
});

test('the milestones of a failed flush are written by the next one, also in the same minute', async () => {
  await using dir = await tempDir();
  const { state, store, moveTo, rows } = opened(dir.path);
  let fails = false;
  state.add({
    isDirty: true,
    write: () => {
      if (fails) throw new Error('no room');
    },
    onWritten: () => {},
  });
  moveTo(10, START_MS);
  fails = true;
  assert.throws(() => moveTo(20, START_MS + 1_000));
  assert.equal(rows(), 0);
  fails = false;
  moveTo(30, START_MS + 2_000);
  assert.equal(rows(), 1);
  assert.equal(store.milestones.lastBefore(known, START_MS + 1_500)?.position, 10);
  state.close();
});

test('milestones are kept one a minute for two hours, one an hour for seven days, and the last before', async () => {
  await using dir = await tempDir();
  const { state, store, moveTo, rows } = opened(dir.path);
  const minutes = 9 * 24 * 60;
  for (let minute = 0; minute <= minutes; minute++) moveTo(minute, START_MS + minute * MINUTE_MS);
  const end = START_MS + minutes * MINUTE_MS;
  // Milestones are thinned every ten minutes.
  assert.ok(rows() > 120 + 6 * 24 && rows() < 140 + 8 * 24, String(rows()));
  const agoOf = (ms: number) => minutes - (store.milestones.lastBefore(known, end - ms)?.position as number);
  assert.equal(agoOf(HOUR_MS), 60);
  assert.ok(agoOf(DAY_MS) >= 24 * 60 && agoOf(DAY_MS) <= 25 * 60 + 1);
  assert.ok(agoOf(6.9 * DAY_MS) <= 7 * 24 * 60);
  // It has not grown for a month: its last position is still known.
  moveTo(minutes + 1, end + 30 * DAY_MS);
  for (let minute = 0; minute < 20; minute++) moveTo(minutes + 2 + minute, end + 30 * DAY_MS + minute * MINUTE_MS);
  assert.equal(store.milestones.lastBefore(known, end + 25 * DAY_MS)?.position, minutes);
  state.close();
});

test('a state of format 5 is migrated without replays, and gets milestones from then on', async () => {
  await using dir = await tempDir();
  const db = previousState(dir.path);
  insertGeneration(db, { generation: '00ff', position: 7, range_end: 7, updated_ms: START_MS });
  db.exec('DROP TABLE replay; DROP TABLE rewind; DROP TABLE milestone; PRAGMA user_version = 5;');
  db.close();
  const now = opened(dir.path);
  assert.deepEqual(now.store.replays.forGeneration('00ff'), []);
  now.moveTo(9, START_MS + HOUR_MS);
  assert.equal(now.store.milestones.lastBefore(known, START_MS + 1)?.position, 7);
  now.state.close();
});
