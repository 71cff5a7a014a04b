import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RolloutPlan, RolloutStep } from '../../../proto/gen/logfleet/v1/rollout.ts';
import { parseCanary, planViolations, withPlanDefaults } from '../../../proto/rules/rollout-rules.ts';

const plan = (canaries: string[], more: Partial<RolloutPlan> = {}) =>
  RolloutPlan.create({ steps: canaries.map((canary) => RolloutStep.create({ canary })), ...more });
const fields = (of: RolloutPlan) => planViolations(of).map(({ field }) => field);

test('a step is a number, a percentage, a selector or all', () => {
  assert.deepEqual(parseCanary('25'), { kind: 'count', count: 25 });
  assert.deepEqual(parseCanary('10%'), { kind: 'percent', percent: 10 });
  assert.deepEqual(parseCanary('env in (a,b),!x'), { kind: 'selector', selector: 'env in (a,b),!x' });
  assert.deepEqual(parseCanary('all'), { kind: 'all' });
  for (const wrong of ['', ' ', '0', '0%', '101%', '1000001', '-1', '1.5', '10 %', 'x y'])
    assert.throws(() => parseCanary(wrong), wrong);
});

test('a plan ends with all, each rule that it violates is named, and missing fields get defaults', () => {
  assert.deepEqual(fields(plan(['1', '10%', 'all'])), []);
  assert.deepEqual(fields(plan([])), ['rollout.steps']);
  assert.deepEqual(fields(plan(['all', '1'])), ['rollout.steps[0].canary', 'rollout.steps[1].canary']);
  assert.deepEqual(fields(plan(Array.from({ length: 21 }, (_, index) => (index < 20 ? '1' : 'all')))), [
    'rollout.steps',
  ]);
  const wrong = { maxFailed: -1, maxLostBytes: -1n, maxLagBytes: -1n, progressDeadlineMs: -1n, onFailure: 'weep' };
  assert.deepEqual(fields(plan(['all'], wrong)), [
    'rollout.max_failed',
    'rollout.max_lost_bytes',
    'rollout.max_lag_bytes',
    'rollout.progress_deadline_ms',
    'rollout.on_failure',
  ]);
  const newer = RolloutPlan.decode(
    Buffer.concat([RolloutPlan.encode(plan(['all'])).finish(), Buffer.from([0x98, 0x06, 1])]),
  );
  assert.deepEqual(fields(newer), ['rollout.#99']);
  const { onFailure, progressDeadlineMs } = withPlanDefaults(plan(['all']));
  assert.deepEqual([onFailure, progressDeadlineMs], ['halt', 600_000n]);
});
