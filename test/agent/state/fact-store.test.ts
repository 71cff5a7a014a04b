import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Begun, Loss, Sealed } from '../../../agent/model/fact.ts';
import { FactStore } from '../../../agent/state/fact-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { tempDir } from '../../support/temp-dir.ts';

const logged: string[] = [];
const logger = createLogger({ level: 'error', format: 'json', write: (line) => logged.push(line) });

const LOSS: Loss = {
  entryUid: 'u1',
  generation: 'g1',
  path: '/a.log',
  start: 10,
  end: 30,
  openEnded: true,
  reason: 'truncated',
};
const SEALED: Sealed = { entryUid: 'u1', generation: 'g2', path: '/b.log', first: 0, size: 7, recordsEnd: 7 };

const BEGUN: Begun = { entryUid: 'u1', generation: 'g3', path: '/c.log', first: 12, reason: 'start' };

/** A clock that advances by a millisecond at each call. */
function tickingClock(): Clock {
  let nowMs = 1_000;
  return { ...systemClock, nowMs: () => nowMs++ };
}

function opened(dir: string, more: { audit?: boolean } = {}): { state: StateDatabase; facts: FactStore } {
  const state = StateDatabase.open(dir);
  return { state, facts: new FactStore(state, { clock: tickingClock(), logger, ...more }) };
}

test('a reopened state has the facts, their entry names and the totals', async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path);
  facts.setEntryName('u1', 'entries/app');
  facts.loss(LOSS);
  facts.loss({ ...LOSS, start: 40, end: 45, openEnded: false });
  facts.sealed(SEALED);
  const recorded = facts.last;
  state.flush(1);
  state.close();
  const again = opened(dir.path);
  assert.deepEqual(again.facts.last, recorded);
  assert.deepEqual(
    recorded.map(({ kind, entry }) => [kind, entry]),
    [
      ['loss', 'entries/app'],
      ['loss', 'entries/app'],
      ['sealed', 'entries/app'],
    ],
  );
  assert.deepEqual(again.facts.totals('u1'), { losses: 2, lostBytes: 25, sealedFiles: 1 });
  assert.deepEqual(again.facts.totals('u2'), { losses: 0, lostBytes: 0, sealedFiles: 0 });
  assert.equal(again.facts.lostBytes, 25);
  again.state.close();
});

test('a fact that is recorded again, by this process or the next, counts once', async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path);
  facts.loss(LOSS);
  facts.loss({ ...LOSS });
  state.flush(1);
  facts.loss(LOSS);
  state.close();
  const again = opened(dir.path);
  again.facts.loss(LOSS);
  assert.equal(again.state.flush(1), undefined);
  assert.deepEqual([again.facts.last.length, again.facts.totals('u1').losses], [1, 1]);
  // If the generation is sealed again at another size, that is another fact.
  again.facts.sealed(SEALED);
  again.facts.sealed({ ...SEALED, size: 8 });
  assert.equal(again.facts.totals('u1').sealedFiles, 2);
  again.state.close();
});

test('only durable facts go to the audit topic, and none goes there again', async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path);
  let calls = 0;
  facts.onAdded(() => calls++);
  for (let start = 0; start < 5; start++) facts.loss({ ...LOSS, start });
  assert.deepEqual([facts.unaudited(9), calls], [[], 0]);
  state.flush(1);
  assert.equal(calls, 1);
  const starts = (count: number) => facts.unaudited(count).map((fact) => fact.kind === 'loss' && fact.start);
  assert.deepEqual(starts(2), [0, 1]);
  facts.markAudited(facts.unaudited(2).map(({ id }) => id));
  assert.deepEqual(starts(2), [2, 3]);
  state.flush(1);
  state.close();
  const again = opened(dir.path);
  assert.deepEqual(
    again.facts.unaudited(9).map((fact) => fact.kind === 'loss' && fact.start),
    [2, 3, 4],
  );
  again.state.close();
});

test("a fact that can't be written stays noted and is shown", async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path);
  facts.loss(LOSS);
  state.db.exec('PRAGMA query_only = ON');
  assert.throws(() => state.flush(1));
  assert.deepEqual([facts.last.length, facts.totals('u1').losses], [1, 1]);
  state.db.exec('PRAGMA query_only = OFF');
  state.flush(1);
  assert.equal(facts.unaudited(9).length, 1);
  state.close();
});

test('the last thousand losses are kept, and older ones until they are audited, however many files are sealed', async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path);
  facts.loss({ ...LOSS, start: 1, end: 2 });
  for (let size = 0; size < 50; size++) facts.sealed({ ...SEALED, size });
  for (let start = 0; start < 1_200; start++) facts.loss({ ...LOSS, start: start + 10, end: start + 20 });
  state.flush(1);
  const rows = () => (state.db.prepare('SELECT count(*) AS n FROM fact').get() as { n: number }).n;
  assert.equal(rows(), 1_251);
  facts.markAudited(facts.unaudited(2_000).map(({ id }) => id));
  state.flush(1);
  // Facts older than the last thousand losses and twenty sealed files are pruned.
  assert.equal(rows(), 1_020);
  assert.equal(facts.last.length, 1_020);
  assert.deepEqual(facts.totals('u1'), { losses: 1_201, lostBytes: 12_001, sealedFiles: 50 });
  state.close();
  const again = opened(dir.path);
  assert.deepEqual(again.facts.last, facts.last);
  again.state.close();
});

test('a beginning goes to the audit topic before the loss after it, and counts neither as loss nor as sealed', async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path);
  facts.begun(BEGUN);
  facts.loss({ ...LOSS, generation: 'g3' });
  facts.begun(BEGUN);
  state.flush(1);
  const kinds = facts.unaudited(9).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['begun', 'loss']);
  assert.deepEqual(facts.totals('u1'), { losses: 1, lostBytes: 20, sealedFiles: 0 });
  for (let first = 1; first < 50; first++) facts.begun({ ...BEGUN, first });
  state.flush(1);
  facts.markAudited(facts.unaudited(99).map(({ id }) => id));
  state.flush(1);
  state.close();
  const again = opened(dir.path);
  assert.deepEqual(again.facts.last, facts.last);
  assert.equal(again.facts.last.filter(({ kind }) => kind === 'begun').length, 20);
  again.state.close();
});

test('without an audit topic no fact waits for it', async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path, { audit: false });
  facts.loss(LOSS);
  state.flush(1);
  assert.deepEqual(facts.unaudited(9), []);
  state.close();
});

test('beyond 100,000 facts that wait for the audit topic the oldest are given up, sealed files first, and counted', async () => {
  await using dir = await tempDir();
  const { state, facts } = opened(dir.path);
  for (let start = 0; start < 10; start++) facts.loss({ ...LOSS, start });
  for (let size = 0; size < 100_000; size++) facts.sealed({ ...SEALED, size });
  state.flush(1);
  const waiting = facts.unaudited(200_000);
  assert.equal(waiting.length, 90_010);
  assert.deepEqual(
    waiting.slice(0, 11).map((fact) => (fact.kind === 'loss' ? fact.start : fact.kind === 'sealed' && fact.size)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10_000],
  );
  assert.equal(facts.givenUpCount, 10_000);
  assert.match(logged.at(-1) ?? '', /facts are given up before the audit topic has them.*"count":10000/);
  assert.deepEqual(facts.totals('u1'), { losses: 10, lostBytes: 255, sealedFiles: 100_000 });
  state.close();
  const again = opened(dir.path);
  assert.equal(again.facts.givenUpCount, 10_000);
  again.facts.sealed({ ...SEALED, size: 100_000 });
  again.state.flush(1);
  assert.equal(again.facts.givenUpCount, 10_000, 'nothing is given up below the limit');
  again.state.close();
});
