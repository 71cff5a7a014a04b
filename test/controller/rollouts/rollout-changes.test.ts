import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { etagRevision } from '../../../proto/rules/etag.ts';
import { type RunningController, startController } from '../../support/controllers.ts';
import { refusal } from '../../support/entry-history.ts';
import { eventually } from '../../support/eventually.ts';
import { createRolloutFleet, HOUR_MS, PATHS, state, steps, waitUntilStarted } from '../../support/rollout-fixture.ts';
import type { StreamAgent } from '../../support/stream-agents.ts';

test('pause and resume, undo, rollback and deletion of a rollout; a new entry that is undone is deleted', async () => {
  await using on = await createRolloutFleet(3);
  await on.write('one', steps(['1', HOUR_MS], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 1, none: 2 }));
  await on.call('UndoRollout', { change_reason: 'no good' });
  await eventually(() => assert.deepEqual(on.held(), { none: 3 }));
  assert.equal((await refusal(on.call('GetRollout'))).code, status.NOT_FOUND);

  await waitUntilStarted(on);
  assert.equal((await refusal(on.call('UndoRollout'))).code, status.FAILED_PRECONDITION);
  await on.write('two', steps(['1', HOUR_MS], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 2, two: 1 }));
  const paused = await on.call('PauseRollout');
  assert.equal(paused.rollout.state, 'STATE_PAUSED');
  assert.equal((await refusal(on.write('three'))).code, status.FAILED_PRECONDITION);
  assert.equal((await on.call('ResumeRollout')).rollout.state, 'STATE_PROGRESSING');
  await on.call('UndoRollout');
  await eventually(() => assert.deepEqual(on.held(), { one: 3 }));
  assert.equal(await state(on), 'STATE_UNDONE');

  const former = etagRevision((await on.call('GetEntry', {}, 'EntryService')).etag);
  await on.write('four', steps(['2', HOUR_MS], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 1, four: 2 }));
  await on.call('RollbackEntry', { revision: former }, 'EntryService');
  await eventually(() => assert.deepEqual(on.held(), { one: 3 }));
  assert.deepEqual(
    await on.call('GetRollout').then(({ rollout, current }) => [rollout.state, rollout.reason, current]),
    ['STATE_UNDONE', `rolled back to revision ${former}`, false],
  );
  await on.write('five', steps(['1'], ['all']));
  await eventually(async () => assert.equal(await state(on), 'STATE_COMPLETE'));
  await on.call('UndoRollout');
  await eventually(() => assert.deepEqual(on.held(), { one: 3 }));

  await on.write('six', steps(['1', HOUR_MS], ['all']));
  await on.call('DeleteEntry', {}, 'EntryService');
  await eventually(() => assert.deepEqual(on.held(), { none: 3 }));
  assert.deepEqual((await on.call('ListRollouts')).rollouts, []);
});

test("an entry written behind the controllers' back goes to all agents, and its rollout ends", async () => {
  await using on = await createRolloutFleet(3);
  await waitUntilStarted(on);
  await on.write('two', steps(['1', HOUR_MS], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 2, two: 1 }));
  const client = new EtcdClient({ endpoints: [on.etcd], tls: undefined, user: undefined });
  const key = `${on.prefix}entries/app`;
  const stored = await client.get(key);
  await client.put(key, (stored?.value ?? '').replace('"two"', '"three"'));
  await eventually(() => assert.deepEqual(on.held(), { three: 3 }));
  await eventually(async () => {
    const { rollout } = await on.call('GetRollout');
    assert.deepEqual(
      [rollout.state, rollout.reason],
      ['STATE_UNDONE', "the entry was written behind the controllers' back, and goes to all agents"],
    );
  });
  await on.write('four', steps(['1', HOUR_MS], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { three: 2, four: 1 }));
  // A write of the entry without its rollout: the rollout is deleted.
  await client.put(key, JSON.stringify({ name: 'entries/app', uid: 'x', paths: PATHS, topic: 'five' }));
  await eventually(() => assert.deepEqual(on.held(), { five: 3 }));
  await eventually(async () =>
    assert.equal((await client.list({ start: `${on.prefix}rollouts/`, end: `${on.prefix}rollouts0` })).keys.length, 0),
  );
  client.close();
});

test('the rollout of an entry that a controller cannot read is kept: other controllers may still use it', async () => {
  await using on = await createRolloutFleet(2);
  await waitUntilStarted(on);
  await on.write('two', steps(['1', HOUR_MS], ['all']));
  await eventually(() => assert.deepEqual(on.held(), { one: 1, two: 1 }));
  const client = new EtcdClient({ endpoints: [on.etcd], tls: undefined, user: undefined });
  await client.put(`${on.prefix}entries/app`, '{');
  await (on.controllers[0] as RunningController).process.kill('SIGKILL');
  await using other = await startController(on.etcd, on.prefix, '--lease-ttl', '2s');
  await eventually(() => assert.ok(other.process.stderr().includes(`${on.prefix}elections/rollouts`)));
  const below = { start: `${on.prefix}rollouts/`, end: `${on.prefix}rollouts0` };
  const [own] = (await client.list(below)).keys;
  // The driver reaches rollouts in order: once a later one without an entry is deleted, this one
  // has been checked.
  const orphan = `${on.prefix}rollouts/~`;
  await client.put(orphan, JSON.stringify({ ...JSON.parse(own?.value ?? ''), id: '~', entry: 'entries/none' }));
  await eventually(async () => assert.equal(await client.get(orphan), undefined));
  assert.deepEqual((await client.list(below)).keys, [own]);
  client.close();
});

test('a batch with plans is one revision, violations of a plan are named, and a changed selector is rolled out as well', async () => {
  await using on = await createRolloutFleet(4);
  const plan = steps(['1', HOUR_MS], ['all']);
  const write = (name: string, rollout: object) => ({
    update: { entry: { name: `entries/${name}`, paths: PATHS, topic: 't' }, allow_missing: true, rollout },
  });
  const wrong = [write('app', steps(['x y'], ['0'], ['all'], ['101%']))];
  const { code, fields } = await refusal(on.call('BatchApply', { writes: wrong }, 'EntryService'));
  assert.equal(code, status.INVALID_ARGUMENT);
  const at = (index: number) => `writes[0].update.rollout.steps[${index}].canary`;
  assert.deepEqual(fields, [at(0), at(1), at(2), at(3)]);
  const { revision } = await on.call('BatchApply', { writes: [write('app', plan), write('b', plan)] }, 'EntryService');
  const { rollouts } = await on.call('ListRollouts');
  assert.deepEqual(
    rollouts.map(({ entry, etag }: { entry: string; etag: string }) => [entry, etagRevision(etag)]),
    [
      ['entries/app', revision],
      ['entries/b', revision],
    ],
  );
  await on.call('DeleteEntry', {}, 'EntryService');

  await waitUntilStarted(on);
  await on.write('two', plan, { selector: 'env=prod' });
  // An agent of the stage that is no longer selected loses the entry. The others keep it.
  await eventually(async () => {
    const { counts } = await on.call('GetRollout');
    assert.deepEqual([counts.connected, counts.in_stage, counts.updated], [4, 1, 1]);
  });
  const inStage = on.agents.filter((agent) => agent.topicOf('entries/app') !== 'one');
  assert.equal(inStage.length, 1);
  assert.equal(inStage[0]?.topicOf('entries/app'), inStage[0]?.id === 'web-0' ? undefined : 'two');
});

test('for an entry without a plan the watch sends the number of agents that have applied it', async () => {
  await using on = await createRolloutFleet(3);
  const [, , last] = on.agents as [StreamAgent, StreamAgent, StreamAgent];
  last.reports.set('one', { state: 'STATE_FAILED', error: 'no such topic' });
  const { etag } = await on.write('one');
  const stream = (on.controllers[0] as RunningController).api.stream('RolloutService', 'WatchRollout', {
    name: 'entries/app',
  });
  stream.on('error', () => {});
  // biome-ignore lint/suspicious/noExplicitAny: a message of the .proto files.
  for await (const told of stream as AsyncIterable<any>) {
    assert.equal(told.etag, etag);
    assert.equal(told.rollout, null);
    const { connected, in_stage, updated, failed, failures } = told.counts;
    if (failed === 0) continue;
    assert.deepEqual(
      [connected, in_stage, updated, failures],
      [3, 3, 2, [{ agent: 'agents/web-2', error: 'no such topic' }]],
    );
    break;
  }
});
