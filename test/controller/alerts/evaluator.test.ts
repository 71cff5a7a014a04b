import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlertRecord } from '../../../controller/alerts/alert-record.ts';
import { Evaluator } from '../../../controller/alerts/evaluator.ts';
import { Condition } from '../../../proto/gen/logfleet/v1/alert.ts';

const rules = {
  agentLostMs: 30_000,
  entryFailedMs: 1_000,
  lagBytes: 1,
  lagMs: 1_000,
  lossMs: 1_000,
  forecastMs: 1_000,
};
const failed = (entry: string) => Condition.create({ rule: 'EntryFailed', agent: 'agents/a', entry, summary: 'why' });
const now = new Date(0);

/** An evaluator, and the stored alerts. */
function bench() {
  const evaluator = new Evaluator(rules);
  const alerts = new Map<string, AlertRecord>();
  return {
    alerts,
    /** The entries of the alerts that are written and deleted. */
    step(monotonicMs: number, conditions: Condition[], known = true): string[] {
      const { put, remove } = evaluator.evaluate({ conditions, isKnown: () => known }, alerts, { monotonicMs, now });
      for (const record of put) alerts.set(record.id, record);
      for (const { id } of remove) alerts.delete(id);
      const names = put.map(({ condition, endTime }) => `${endTime ? 'over' : 'fires'} ${condition.entry}`);
      return [...names, ...remove.map(({ condition }) => `gone ${condition.entry}`)];
    },
    tell: () => {
      for (const [id, record] of alerts) alerts.set(id, { ...record, sent: 'firing' });
    },
  };
}

test('a condition becomes an alert when it has held long enough without a break, and the alert ends when it no longer holds', () => {
  const { step, tell } = bench();
  assert.deepEqual(step(0, [failed('x')]), []);
  assert.deepEqual(step(900, []), []);
  assert.deepEqual(step(1_000, [failed('x')]), [], 'it did not hold in between');
  assert.deepEqual(step(2_000, [failed('x'), failed('y')]), ['fires x']);
  tell();
  assert.deepEqual(step(2_100, [failed('x'), failed('y')]), []);
  assert.deepEqual(step(3_000, [failed('y')]), ['fires y', 'over x']);
  assert.deepEqual(step(3_100, [failed('y')]), [], 'it is over once');
});

test('an alert stays while its condition is unknown, is dropped silently if it was never sent, and fires again when it returns', () => {
  const { step, tell } = bench();
  step(0, [failed('x')]);
  step(1_000, [failed('x')]);
  assert.deepEqual(step(1_100, [], false), []);
  assert.deepEqual(step(1_200, []), ['gone x']);
  step(2_000, [failed('x')]);
  step(3_000, [failed('x')]);
  tell();
  assert.deepEqual(step(3_100, []), ['over x']);
  step(4_000, [failed('x')]);
  assert.deepEqual(step(5_000, [failed('x')]), ['fires x'], 'before its end was sent');
});
