import assert from 'node:assert/strict';
import { appendFile, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startAgent } from '../support/agents.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess } from '../support/process.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTopic, newTopic } from '../support/topics.ts';

type Json = Record<string, never>;

/** Two controllers with an agent each. No line of `stuck` is delivered, all lines of `fine` are. */
async function fleet(...args: string[]) {
  const [etcd, kafka, prefix, dir] = [await sharedEtcd(), await sharedKafka(), newPrefix(), await tempDir('state')];
  const controllers = [await startController(etcd, prefix, ...args), await startController(etcd, prefix, ...args)];
  const [home, other] = controllers as [(typeof controllers)[0], (typeof controllers)[0]];
  const agents = { stuck: home, fine: other };
  const running = Object.entries(agents).map(([id, { address: controller }]) => {
    const options = { controller, kafka, state: dir.at(id), labels: { role: id } };
    return { id, process: startAgent({ id, ...options }) };
  });
  for (const { process } of running) await process.logged('connected to the controller');
  await writeFile(dir.at('stuck.log'), 'no one reads this\n\n\n\n\n\n');
  await writeFile(dir.at('fine.log'), 'one\ntwo\n');
  const create = (entry_id: string, topic: string) =>
    home.api.call('EntryService', 'CreateEntry', {
      entry_id,
      entry: { paths: [dir.at(`${entry_id}.log`)], topic, start: 'beginning', selector: `role=${entry_id}` },
    });
  await create('stuck', newTopic());
  await create('fine', await createTopic(kafka));
  const logfleet = (...words: string[]) => runProcess('cli/main.ts', ['--controller', home.address, ...words]);
  return {
    ...{ home, other, dir, logfleet },
    agent: (id: string) => running.find((one) => one.id === id)?.process as (typeof running)[0]['process'],
    [Symbol.asyncDispose]: async () => {
      for (const { process } of running) await process[Symbol.asyncDispose]();
      for (const controller of controllers) await controller[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test("any controller reports each agent's lag in bytes and seconds, and where an entry's oldest unread line is", async () => {
  await using on = await fleet();
  for (const { api } of [on.home, on.other]) {
    const list = async (request: object) => {
      const { agents } = await api.call('FleetService', 'ListAgents', request as Json);
      return agents.map(({ name }: Json) => name);
    };
    await eventually(async () => {
      const { states } = await api.call('FleetService', 'ListEntryStates', {});
      assert.deepEqual(
        states.map((state: Json) => [
          ...[state['entry'], state['matching_agents'], state['connected_agents'], state['applied_agents']],
          ...[state['failed_agents'], state['files'], state['lag_bytes']],
        ]),
        [
          ['entries/fine', 1, 1, 1, 0, '1', '0'],
          ['entries/stuck', 1, 1, 0, 1, '1', '23'],
        ],
      );
      const { oldest_unread: oldest } = states[1];
      assert.deepEqual([oldest.agent, oldest.path], ['agents/stuck', on.dir.at('stuck.log')]);
      assert.ok(oldest.seconds >= 1);
      assert.equal(states[0].oldest_unread, null);
    });
    assert.deepEqual(await list({ order_by: 'lag_seconds desc' }), ['agents/stuck', 'agents/fine']);
    assert.deepEqual(await list({ order_by: 'lag_bytes' }), ['agents/fine', 'agents/stuck']);
    assert.deepEqual(await list({ min_lag_seconds: 1 }), ['agents/stuck']);
    assert.deepEqual(await list({ min_lag_bytes: 24 }), []);
    assert.deepEqual(await list({ entry: 'entries/fine' }), ['agents/fine']);
    assert.deepEqual(await list({ entry_state: 'STATE_FAILED' }), ['agents/stuck']);
    assert.deepEqual(await list({ liveness: 'LIVENESS_LOST' }), []);
    const {
      health,
      clock_skew_ms: skewMs,
      files,
    } = await api.call('FleetService', 'GetAgent', { name: 'agents/stuck' });
    assert.ok(files[0].lag_seconds >= 1 && health.lag_seconds >= 1);
    assert.ok(health.cpu_cores > 0 && health.open_descriptors > 10 && health.descriptors_max > health.open_descriptors);
    assert.ok(Math.abs(Number(skewMs)) < 2_000, skewMs);
  }
  await assert.rejects(on.home.api.call('FleetService', 'GetEntryState', { name: 'entries/none' }), /no entries\/none/);
  const wide = (await on.logfleet('get', 'entries', '-o', 'wide')).stdout;
  assert.match(wide, /\nstuck .* 1\/1 \(1 failed\) +1 .* \d+s, on stuck \S+\/stuck\.log +- /);
  assert.match((await on.logfleet('describe', 'entry', 'stuck')).stdout, /\nOldest unread line: +\d+s, on stuck \S+\n/);
  assert.match((await on.logfleet('describe', 'agent', 'stuck')).stdout, /\nClock: +[+-]0\.\ds from/);
  const chosen = [
    '--sort-by',
    'behind',
    '--state',
    'failed',
    '--entry',
    'stuck',
    '--liveness',
    'live',
    '--min-lag',
    '23B',
  ];
  assert.match(
    (await on.logfleet('get', 'agents', ...chosen, '-o', 'wide')).stdout,
    /^NAME .* SKEW .*\nstuck +Failing .*\n$/,
  );
  assert.equal((await on.logfleet('get', 'agents', '--min-lag', '10m', '-o', 'name')).stdout, '');
});

test('a watch at any controller reports agents that begin to match its query, and agents that cease to', async () => {
  await using on = await fleet();
  const events: string[] = [];
  const request = { entry: 'entries/fine', entry_state: 'STATE_PAUSED' };
  const watch = on.home.api.stream('FleetService', 'WatchAgents', request);
  watch.on('error', () => {});
  void (async () => {
    for await (const { kind, agent } of watch)
      events.push(`${kind} ${(agent as { name: string } | null)?.name ?? ''}`.trim());
  })().catch(() => {});
  await eventually(() => assert.deepEqual(events, ['KIND_SYNCED']));
  const pause = (paused: boolean) =>
    on.home.api.call('EntryService', 'UpdateEntry', {
      entry: { name: 'entries/fine', paused },
      update_mask: { paths: ['paused'] },
    });
  await pause(true);
  await eventually(() => assert.equal(events[1], 'KIND_UPDATED agents/fine'));
  await pause(false);
  await eventually(() => assert.equal(events.at(-1), 'KIND_REMOVED agents/fine'));
  assert.ok(events.every((line) => !line.includes('stuck')));
  watch.cancel();
});

test("a lost agent keeps its last state and its alerts until it is forgotten; a live one can't be forgotten", async () => {
  await using on = await fleet(
    '--alerts.interval',
    '200ms',
    '--alerts.agent-lost',
    '0s',
    '--alerts.entry-failed',
    '0s',
  );
  const alerts = async () => {
    const { alerts: all } = await on.other.api.call('FleetService', 'ListAlerts', {});
    return all.map(({ condition }: { condition: { rule: string } }) => condition.rule);
  };
  await eventually(async () => assert.deepEqual(await alerts(), ['EntryFailed']));
  const refused = await on.logfleet('forget', 'agent', 'stuck');
  assert.deepEqual([refused.code, refused.stdout], [1, '']);
  assert.match(refused.stderr, /agents\/stuck is connected: stop it/);
  await on.agent('stuck').kill('SIGKILL');
  await eventually(async () => assert.deepEqual((await alerts()).sort(), ['AgentLost', 'EntryFailed']));
  const lost = await on.other.api.call('FleetService', 'ListAgents', { liveness: 'LIVENESS_LOST', min_lag_bytes: 1 });
  assert.deepEqual([lost.agents[0].name, lost.agents[0].health.lag_bytes], ['agents/stuck', '23']);
  const { states } = await on.other.api.call('FleetService', 'ListEntryStates', { entries: ['entries/stuck'] });
  assert.deepEqual([states[0].matching_agents, states[0].connected_agents, states[0].lag_bytes], [1, 0, '0']);
  assert.equal((await on.logfleet('forget', 'agent', 'stuck')).stdout, 'agent/stuck forgotten\n');
  for (const { api } of [on.home, on.other])
    await eventually(() => assert.rejects(api.call('FleetService', 'GetAgent', { name: 'agents/stuck' }), /no agents/));
  await eventually(async () => assert.deepEqual(await alerts(), []));
  assert.match((await on.logfleet('delete', 'agent', 'stuck')).stderr, /there is no agents\/stuck/);
  await on.agent('fine').kill('SIGTERM');
  await eventually(async () =>
    assert.equal((await on.logfleet('delete', 'agent/fine')).stdout, 'agent/fine deleted\n'),
  );
});

test('the loss of an unread file that is truncated repeatedly is forecast, and an alert reports it', async () => {
  await using on = await fleet(
    '--alerts.interval',
    '200ms',
    '--alerts.loss-forecast',
    '0s',
    '--metrics-listen',
    '127.0.0.1:0',
  );
  const file = on.dir.at('stuck.log');
  const agent = () => on.home.api.call('FleetService', 'GetAgent', { name: 'agents/stuck' });
  /** Waits until the file's present generation has this many bytes. */
  const seen = (size: string) => eventually(async () => assert.equal((await agent()).files[0]?.size, size));
  await seen('23');
  await truncate(file);
  await seen('0');
  await appendFile(file, 'a second life\n');
  await seen('14');
  // As long as the third generation lasts, while its forecast still holds: more than the trend's
  // ten seconds.
  await eventually(async () => assert.ok((await agent()).files[0].lag_seconds > 12), { timeoutMs: 20_000 });
  await truncate(file);
  await seen('0');
  await appendFile(file, 'lost before long\n');
  await eventually(async () => assert.ok((await agent()).files[0].loss_forecast_seconds > 0), { timeoutMs: 20_000 });
  const { api } = on.other;
  await eventually(async () => {
    const state = await api.call('FleetService', 'GetEntryState', { name: 'entries/stuck' });
    assert.equal(state.loss_forecast_files, '1');
    assert.deepEqual([state.loss_forecast.agent, state.loss_forecast.path], ['agents/stuck', file]);
    const { alerts } = await api.call('FleetService', 'ListAlerts', {});
    const rules = alerts.map(({ condition }: { condition: { rule: string } }) => condition.rule);
    assert.ok(rules.includes('LossForecast'), rules.join());
  });
  const { address } = (await on.home.process.logged('serving metrics')) as { address: string };
  const metrics = await (await fetch(`http://${address}/metrics`)).text();
  assert.match(metrics, /\nlogfleet_entry_loss_forecast_files\{entry="stuck"\} 1\n/);
  assert.match(metrics, /\nlogfleet_entry_lag_seconds\{entry="stuck"\} \d/);
  assert.match((await on.logfleet('describe', 'agent', 'stuck')).stdout, /LOSS-FORECAST[\s\S]* in \d+s /);
});
