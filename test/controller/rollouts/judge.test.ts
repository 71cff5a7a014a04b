import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../../controller/rollouts/judge.ts';
import { Rollout, RolloutAccepted, RolloutCounts, RolloutPlan } from '../../../proto/gen/logfleet/v1/rollout.ts';

type Part<T> = Partial<T>;

function verdict(
  counts: Part<RolloutCounts>,
  more: { plan?: Part<RolloutPlan>; accepted?: Part<RolloutAccepted>; disconnected?: number; afterMs?: number } = {},
) {
  const plan = RolloutPlan.create({ progressDeadlineMs: 600_000n, ...more.plan });
  const accepted = RolloutAccepted.create(more.accepted ?? {});
  const rollout = Rollout.create({ plan, accepted, step: 1 });
  const { disconnected = 0, afterMs = 0 } = more;
  const found = judge(rollout, { counts: RolloutCounts.create(counts), disconnected }, afterMs);
  return found.kind === 'failed' ? found.reason : found.kind;
}

const failures = ['a', 'b', 'c', 'd'].map((id) => ({ agent: `agents/${id}`, error: `${id} is full` }));

test('a step is settled when all of its connected agents have applied it, and fails when too many of them fail', () => {
  const four = { connected: 9, inStage: 4 };
  assert.equal(verdict({ ...four, updated: 3 }), 'waiting');
  assert.equal(verdict({ ...four, updated: 4 }), 'settled');
  assert.equal(verdict({ ...four, updated: 4 }, { disconnected: 7 }), 'settled');
  assert.equal(verdict({ ...four, updated: 3, failed: 1 }, { plan: { maxFailed: 1 } }), 'settled');
  assert.equal(verdict({ ...four, updated: 3, failed: 1 }, { accepted: { failed: 1 } }), 'settled');
  assert.equal(verdict({ ...four, failed: 1, failures: failures.slice(0, 1) }), '1 agent failed: a: a is full');
  assert.equal(
    verdict({ ...four, failed: 4, failures }, { plan: { maxFailed: 3 } }),
    '4 agents failed: a: a is full; b: b is full; c: c is full; and 1 more',
  );
});

test('a loss or a lag fails a step when it exceeds what the plan allows and what was accepted', () => {
  const all = { connected: 1, inStage: 1, updated: 1 };
  assert.match(verdict({ ...all, lostBytes: 1n }), /^1 bytes were lost/);
  assert.equal(verdict({ ...all, lostBytes: 1n }, { plan: { maxLostBytes: 1n } }), 'settled');
  assert.equal(verdict({ ...all, lostBytes: 1n }, { accepted: { lostBytes: 1n } }), 'settled');
  const lag = { ...all, maxLagBytes: 9n, maxLagAgent: 'agents/a' };
  assert.equal(verdict(lag), 'settled');
  assert.equal(verdict(lag, { plan: { maxLagBytes: 8n } }), 'a lags by 9 bytes, more than 8');
  assert.equal(verdict(lag, { plan: { maxLagBytes: 8n }, accepted: { lagBytes: 9n } }), 'settled');
});

test('agents have until the deadline; a step without connected agents does not settle, unless it concerns no agent at all', () => {
  const two = { connected: 5, inStage: 2, updated: 1 };
  assert.equal(verdict(two, { afterMs: 600_000 }), 'waiting');
  assert.equal(verdict(two, { afterMs: 600_001 }), '1 agent did not apply it within 600 s');
  assert.equal(verdict({ connected: 0 }, { disconnected: 3 }), 'waiting');
  assert.equal(verdict({ connected: 3 }), 'waiting');
  assert.equal(
    verdict({ connected: 0 }, { disconnected: 3, afterMs: 600_001 }),
    'no agent of the stage was connected within 600 s',
  );
  assert.equal(verdict({ connected: 0 }), 'settled');
});
