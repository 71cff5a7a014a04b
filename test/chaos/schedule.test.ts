import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSchedule, FAULT_KINDS } from './schedule.ts';

test('the same seed makes the same schedule, with each kind of fault; another seed makes another', () => {
  const options = { durationMs: 120_000, kills: 20, kinds: FAULT_KINDS, brokers: 3 };
  const schedule = buildSchedule({ seed: 1, ...options });
  assert.deepEqual(buildSchedule({ seed: 1, ...options }), schedule);
  assert.notDeepEqual(buildSchedule({ seed: 2, ...options }), schedule);
  assert.deepEqual(new Set(schedule.map(({ kind }) => kind)), new Set(FAULT_KINDS));
  assert.equal(schedule.filter(({ kind }) => kind === 'kill-agent' || kind === 'kill-both').length, 20);
});
