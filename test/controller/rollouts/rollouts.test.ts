import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { RunningController } from '../../support/controllers.ts';
import { refusal, versionsOf } from '../../support/entry-history.ts';
import { eventually } from '../../support/eventually.ts';
import { createRolloutFleet, HOUR_MS, PATHS, state, steps, waitUntilStarted } from '../../support/rollout-fixture.ts';
import type { StreamAgent } from '../../support/stream-agents.ts';

test('a canary of one is one agent across all controllers and no other gets the version; then 60% of them, rounded up; then all', async () => {
  await using on = await createRolloutFleet(7, 2);
  await waitUntilStarted(on);
  const { etag } = await on.write('two', steps(['1', HOUR_MS], ['60%', HOUR_MS], ['all']));
  assert.equal((await on.call('GetEntry', {}, 'EntryService')).topic, 'two', 'the entry is the new version at once');
  await eventually(() => assert.deepEqual(on.held(), { one: 6, two: 1 }));
  await eventually(async () => {
    const { rollout, counts, current, etag: shown } = await on.call('GetRollout');
    assert.deepEqual(
      [rollout.state, rollout.step, rollout.entry_version, current],
      ['STATE_PROGRESSING', 1, '2', true],
    );
    assert.deepEqual([counts.connected, counts.in_stage, counts.updated, shown], [7, 1, 1, etag]);
  });
  // An agent that reconnects during a step gets the version it had.
  const canary = on.agents.find(({ told }) => told.has('app@two')) as StreamAgent;
  for (const agent of on.agents) assert.equal(agent.told.has('app@two'), agent === canary);

  const plain = await refusal(on.write('three'));
  assert.equal(plain.code, status.FAILED_PRECONDITION);
  assert.match(plain.details, /entries\/app is being rolled out \(step 1 of 3, PROGRESSING\): resume it, undo it/);

  await on.write('three', steps(['60%', HOUR_MS], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 2, three: 5 }));
  assert.equal((await on.call('ListRollouts')).rollouts.length, 1, 'the one before is forgotten');
  await on.write('four', steps(['env=canary'], ['all']));
  await eventually(async () => assert.equal(await state(on), 'STATE_COMPLETE'));
  await eventually(() => assert.deepEqual(on.held(), { four: 7 }));
  await on.write('five');
  await eventually(() => assert.deepEqual(on.held(), { five: 7 }));
  const { rollout, current } = await on.call('GetRollout');
  assert.deepEqual([rollout.state, current], ['STATE_COMPLETE', false]);
});

test('a rollout halts with the reason when an agent fails; when resumed, it accepts the failures so far', async () => {
  await using on = await createRolloutFleet(4);
  await waitUntilStarted(on);
  // Larger than etcd accepts: only a bounded part is kept.
  const long = `Kafka refuses the topic${'!'.repeat(3_000_000)}`;
  const error = long.slice(0, 500);
  for (const { reports } of on.agents) reports.set('two', { state: 'STATE_FAILED', error: long });
  await on.write('two', steps(['env=canary'], ['all']));
  await eventually(async () => {
    const { rollout, counts } = await on.call('GetRollout');
    assert.equal(rollout.state, 'STATE_HALTED');
    assert.equal(rollout.reason, `1 agent failed: web-0: ${error}`);
    assert.deepEqual(counts.failures, [{ agent: 'agents/web-0', error }]);
  });
  assert.deepEqual(on.held(), { one: 3, two: 1 });
  assert.equal((await refusal(on.write('three'))).code, status.FAILED_PRECONDITION);
  assert.equal((await refusal(on.call('PauseRollout'))).code, status.FAILED_PRECONDITION);
  for (const agent of on.agents.slice(1)) agent.reports.clear();
  await on.call('ResumeRollout');
  // In the next step the failure counts again: it was accepted only for the previous one.
  await eventually(async () =>
    assert.deepEqual([await state(on), (await on.call('GetRollout')).rollout.step], ['STATE_HALTED', 2]),
  );
  await on.call('ResumeRollout');
  await eventually(async () => assert.equal(await state(on), 'STATE_COMPLETE'));
  assert.deepEqual(on.held(), { two: 4 });
});

test('a rollout with on_failure undo gives all agents the previous version, as a new version with the reason', async () => {
  await using on = await createRolloutFleet(3);
  await waitUntilStarted(on);
  for (const { reports } of on.agents) reports.set('two', { state: 'STATE_APPLIED', lost_bytes: 500 });
  const plan = { ...steps(['1', HOUR_MS], ['all']), on_failure: 'undo', max_lost_bytes: 400 };
  await on.write('two', plan);
  await eventually(async () => assert.equal(await state(on), 'STATE_UNDONE'));
  await eventually(() => assert.deepEqual(on.held(), { one: 3 }));
  const [last, , first] = await versionsOf(on.controllers[0] as RunningController, 'app');
  assert.deepEqual([last?.change, last?.rolled_back_to], ['CHANGE_ROLLED_BACK', first?.revision]);
  assert.match(last?.change_reason ?? '', /^undone automatically: 500 bytes were lost/);
  assert.equal(on.agents.filter(({ told }) => told.has('app@two')).length, 1);
});

test('an agent that lags too much or misses the deadline halts a rollout; losses from before the rollout do not', async () => {
  await using on = await createRolloutFleet(2);
  for (const { reports } of on.agents) reports.set('one', { state: 'STATE_APPLIED', lost_bytes: 500 });
  await waitUntilStarted(on);
  const report = { state: 'STATE_APPLIED', lost_bytes: 500, lag_bytes: 3_000 };
  for (const { reports } of on.agents) reports.set('two', report);
  await on.write('two', { ...steps(['1'], ['all']), max_lag_bytes: 2_000 });
  await eventually(async () => {
    const { rollout } = await on.call('GetRollout');
    assert.match(rollout.reason, /^web-\d lags by 3000 bytes, more than 2000$/);
    assert.equal(rollout.state, 'STATE_HALTED');
  });
  for (const agent of on.agents) agent.silent = true;
  await on.write('three', { ...steps(['1'], ['all']), progress_deadline_ms: 1_500 });
  await eventually(async () => {
    const { rollout } = await on.call('GetRollout');
    assert.equal(rollout.reason, '1 agent did not apply it within 1.5 s');
  });
  assert.deepEqual(on.held(), { one: 1, three: 1 });
});

test('an agent that reconnects while a step waits, long after the deadline, has the whole deadline again', async () => {
  await using on = await createRolloutFleet(2);
  await waitUntilStarted(on);
  const deadlineMs = 6_000;
  await on.write('two', { ...steps(['1', HOUR_MS], ['all']), progress_deadline_ms: deadlineMs });
  await eventually(async () => assert.equal((await on.call('GetRollout')).counts.updated, 1));
  const canary = on.agents.find(({ told }) => told.has('app@two')) as StreamAgent;
  await eventually(async () => {
    const { rollout } = await on.call('GetRollout');
    assert.ok(Date.now() - Number(rollout.step_time.seconds) * 1_000 > deadlineMs + 1_000);
  });
  canary.silent = true;
  canary.reconnect();
  await eventually(async () => {
    const { counts } = await on.call('GetRollout');
    assert.deepEqual([counts.in_stage, counts.updated], [1, 0]);
  });
  // Once another rollout has begun, this one has been judged.
  const entry = { name: 'entries/b', paths: PATHS, topic: 'b' };
  const rollout = steps(['1'], ['all']);
  await on.call('UpdateEntry', { entry, allow_missing: true, rollout }, 'EntryService');
  await eventually(async () => assert.equal((await on.call('GetRollout', { name: 'entries/b' })).rollout.step, 1));
  canary.report();
  await eventually(async () => assert.equal((await on.call('GetRollout')).counts.updated, 1));
  const { rollout: app } = await on.call('GetRollout');
  assert.deepEqual([app.state, app.step], ['STATE_PROGRESSING', 1], app.reason);
});

test('when the controller that moves rollouts is killed, another one continues, and no agent gets a version outside its stage', async () => {
  await using on = await createRolloutFleet(6, 2);
  await waitUntilStarted(on);
  const [first, second] = on.controllers as [RunningController, RunningController];
  const elected = () => first.process.stderr().includes(`${on.prefix}elections/rollouts`);
  await eventually(() => assert.ok(elected() || second.process.stderr().includes(`${on.prefix}elections/rollouts`)));
  const [victim, other] = elected() ? [first, second] : [second, first];
  const call = (method: string) => other.api.call('RolloutService', method, { name: 'entries/app' });
  await on.write('two', steps(['2', 3_000], ['4', 3_000], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 4, two: 2 }));
  await victim.process.kill('SIGKILL');
  const counts: number[] = [];
  await eventually(
    async () => {
      const told = on.agents.filter((agent) => agent.told.has('app@two')).length;
      if (counts.at(-1) !== told) counts.push(told);
      assert.equal((await call('GetRollout')).rollout.state, 'STATE_COMPLETE');
    },
    { timeoutMs: 60_000 },
  );
  assert.ok(counts.every((count) => [2, 3, 4, 5, 6].includes(count)) && counts.includes(4), counts.join(' '));
  await eventually(() => assert.deepEqual(on.held(), { two: 6 }));
});

test('while a controller does not respond, no step begins or fails; once its lease has expired, the rollout continues', async () => {
  await using on = await createRolloutFleet(4, 2);
  await waitUntilStarted(on);
  const [first, second] = on.controllers as [RunningController, RunningController];
  const elected = () => first.process.stderr().includes(`${on.prefix}elections/rollouts`);
  const [mute, other] = elected() ? [second, first] : [first, second];
  await on.write('two', steps(['1', 4_000], ['3'], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 3, two: 1 }));
  process.kill(mute.process.pid, 'SIGSTOP');
  const silent: number[] = [];
  await eventually(
    async () => {
      const { rollout, unreachable } = await other.api.call('RolloutService', 'GetRollout', { name: 'entries/app' });
      if (unreachable.length > 0) silent.push(rollout.step);
      assert.notEqual(rollout.state, 'STATE_HALTED', rollout.reason);
      assert.ok(silent.length > 0 && unreachable.length === 0);
    },
    { timeoutMs: 60_000 },
  );
  assert.deepEqual(new Set(silent), new Set([1]));
  await mute.process.kill('SIGKILL');
  await eventually(
    async () => {
      const { rollout } = await other.api.call('RolloutService', 'GetRollout', { name: 'entries/app' });
      assert.equal(rollout.state, 'STATE_COMPLETE');
    },
    { timeoutMs: 60_000 },
  );
  await eventually(() => assert.deepEqual(on.held(), { two: 4 }));
});
