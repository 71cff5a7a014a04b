import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { startEtcd } from '../../../stack/etcd.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { tempDir } from '../../support/temp-dir.ts';

const good = { paths: ['/var/log/app/*.log'], topic: 'app' };
const update = (owner: string) => ({ entry: { name: 'entries/app', owner } });
const settings = { name: 'agents/web-1/settings', paused: true };
/** A write of each kind. */
const writes = [
  ['EntryService', 'CreateEntry', { entry_id: 'new', entry: good }],
  ['EntryService', 'UpdateEntry', update('me')],
  ['EntryService', 'BatchApply', { writes: [{ update: update('me') }] }],
  ['EntryService', 'DeleteEntry', { name: 'entries/app' }],
  ['FleetService', 'UpdateAgentSettings', { settings, update_mask: { paths: ['paused'] }, allow_missing: true }],
  ['FleetService', 'ForgetAgent', { name: 'agents/web-1' }],
] as const;
const UNAVAILABLE =
  /UNAVAILABLE: etcd does not respond \(.+\)(, and .+)?: check it with `etcdctl endpoint health`, then/;
const NOT_WRITTEN =
  /UNAVAILABLE: etcd does not respond \(.*ECONNREFUSED.*\)(, and nothing was written)?: check it with .*, then try again$/;
const MAY_BE_WRITTEN = /UNAVAILABLE: etcd does not respond \(.+\), and may have made the write: .*read what you wrote/;

async function namesSeenBy({ api }: RunningController): Promise<string[]> {
  const { entries } = await api.call('EntryService', 'ListEntries', {});
  return entries.map(({ name }: { name: string }) => name.replace('entries/', ''));
}

test('a controller catches up with changes that it missed during a compaction and a restart of etcd', async () => {
  await using dir = await tempDir('compaction');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const client = new Etcd3({ hosts: etcd.endpoint });
  try {
    const prefix = newPrefix();
    // A lease of a minute, so that the stopped controller does not lose it.
    await using sleeper = await startController(etcd.endpoint, prefix, '--lease-ttl', '60s');
    await using other = await startController(etcd.endpoint, prefix, '--lease-ttl', '60s');
    const create = (id: string) =>
      eventually(() => other.api.call('EntryService', 'CreateEntry', { entry_id: id, entry: good }));
    for (const id of ['kept', 'deleted']) await create(id);
    await eventually(async () => assert.deepEqual(await namesSeenBy(sleeper), ['deleted', 'kept']));
    const told: string[] = [];
    const watch = sleeper.api.stream('EntryService', 'WatchEntries', {});
    const reading = (async () => {
      for await (const { kind, entry } of watch)
        told.push(`${kind} ${(entry as { name?: string } | null)?.name ?? ''}`);
    })().catch(() => {});
    await eventually(() => assert.ok(told.includes('KIND_SYNCED ')));
    process.kill(sleeper.process.pid, 'SIGSTOP');
    await other.api.call('EntryService', 'DeleteEntry', { name: 'entries/deleted' });
    for (let round = 0; round < 20; round++)
      await other.api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/kept', owner: `team-${round}` } });
    await create('new');
    const { header } = await client.getAll().prefix(prefix).exec();
    // The restart breaks the stopped controller's watch. The compaction removes the revision from
    // which it would resume.
    await etcd.kill('SIGKILL');
    await etcd.start();
    await eventually(() => client.kv.compact({ revision: header.revision, physical: true }));
    process.kill(sleeper.process.pid, 'SIGCONT');
    await eventually(async () => assert.deepEqual(await namesSeenBy(sleeper), ['kept', 'new']), { timeoutMs: 30_000 });
    const kept = await sleeper.api.call('EntryService', 'GetEntry', { name: 'entries/kept' });
    assert.equal(kept.owner, 'team-19');
    await eventually(() => {
      for (const change of ['KIND_DELETED entries/deleted', 'KIND_UPDATED entries/kept', 'KIND_CREATED entries/new'])
        assert.ok(told.includes(change), `${change} among ${told}`);
    });
    await create('later');
    await eventually(async () => assert.deepEqual(await namesSeenBy(sleeper), ['kept', 'later', 'new']));
    watch.cancel();
    await reading;
  } finally {
    client.close();
    await etcd.stop();
  }
});

test('etcd has entries as readable protobuf-JSON; valid changes by others are kept, invalid ones are logged and ignored', async () => {
  await using dir = await tempDir('readable');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const client = new Etcd3({ hosts: etcd.endpoint });
  try {
    const prefix = newPrefix();
    await using controller = await startController(etcd.endpoint, prefix);
    const entry = { ...good, selector: 'env=prod', max_line_bytes: 4096 };
    await eventually(() => controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry }));
    const keys = await client.getAll().prefix(`${prefix}entries/`).strings();
    const [[key, value]] = Object.entries(keys) as [[string, string]];
    assert.equal(key, `${prefix}entries/app`);
    const kept = JSON.parse(value);
    assert.deepEqual([kept.paths, kept.topic, kept.max_line_bytes], [good.paths, 'app', 4096]);

    // A field that a newer controller has written.
    await client.put(key).value(JSON.stringify({ ...kept, limits: { lines: 7 } }));
    const renamed = { entry: { name: 'entries/app', owner: 'team' } };
    await eventually(() => controller.api.call('EntryService', 'UpdateEntry', renamed));
    const updated = JSON.parse((await client.get(key).string()) as string);
    assert.deepEqual([updated.owner, updated.limits], ['team', { lines: 7 }]);

    // Invalid values, written behind the controllers' back.
    const watch = controller.api.stream('FleetService', 'WatchAgents', {});
    await watch[Symbol.asyncIterator]().next();
    for (const bad of ['agents/bad', 'presence/bad', 'controllers/bad', 'entries/bad'])
      await client.put(`${prefix}${bad}`).value('no JSON');
    await eventually(() => controller.api.call('EntryService', 'CreateEntry', { entry_id: 'later', entry: good }));
    assert.deepEqual((await controller.api.call('FleetService', 'ListAgents', {})).agents, []);
    assert.match(controller.process.stderr(), /etcd key ignored: its value is invalid.*agents\/bad/);
    watch.cancel();
  } finally {
    client.close();
    await etcd.stop();
  }
});

test('without etcd, writes are refused as UNAVAILABLE and reads continue; when etcd returns, writes succeed', async () => {
  await using dir = await tempDir('outage');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  try {
    await using controller = await startController(etcd.endpoint, newPrefix());
    const create = (id: string) => controller.api.call('EntryService', 'CreateEntry', { entry_id: id, entry: good });
    await eventually(() => create('before'));
    await etcd.stop();
    await assert.rejects(create('during'), { details: /etcd/ });
    assert.deepEqual(await namesSeenBy(controller), ['before']);
    await etcd.start();
    await eventually(() => create('after'));
    await eventually(async () => assert.deepEqual(await namesSeenBy(controller), ['after', 'before']));
  } finally {
    await etcd.stop();
  }
});

test('when etcd refuses connections, writes are refused with the reason, and none is said to have been made perhaps', async () => {
  await using dir = await tempDir('unanswered');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  try {
    await using controller = await startController(etcd.endpoint, newPrefix());
    await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
    await etcd.stop();
    // A request that is on its way when etcd ends may have been made. Later ones are not sent.
    await assert.rejects(controller.api.call('EntryService', 'UpdateEntry', update('first')), UNAVAILABLE);
    for (const [service, method, request] of writes)
      await assert.rejects(controller.api.call(service, method, request), NOT_WRITTEN, method);
  } finally {
    await etcd.stop();
  }
});

test('when the response to a write is lost, the error says that the write may have been made; it was', async () => {
  await using dir = await tempDir('lost-response');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const proxy = Object.assign(await startTcpProxy(), { targetPort: etcd.port });
  const client = new Etcd3({ hosts: etcd.endpoint });
  try {
    const prefix = newPrefix();
    // A lease of a minute, so that the controller stays healthy.
    const through = `http://127.0.0.1:${proxy.port}`;
    await using controller = await startController(through, prefix, '--lease-ttl', '60s');
    const { api } = controller;
    await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
    proxy.setMode('drop-replies');
    await assert.rejects(api.call('EntryService', 'UpdateEntry', update('me')), MAY_BE_WRITTEN);
    assert.match((await client.get(`${prefix}entries/app`).string()) ?? '', /"owner": "me"/);
    proxy.setMode('pass');
    await eventually(async () => {
      assert.equal((await api.call('EntryService', 'GetEntry', { name: 'entries/app' })).owner, 'me');
    });
  } finally {
    client.close();
    await proxy.stop();
    await etcd.stop();
  }
});

test('while the only etcd hangs, reads continue, writes get UNAVAILABLE with a remedy, and SIGTERM ends the controller', async () => {
  await using dir = await tempDir('hanging');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  try {
    await using controller = await startController(etcd.endpoint, newPrefix());
    await using agent = new SimulatedAgent('web-1', [controller.address]);
    const { api } = controller;
    await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
    const plan = { steps: [{ canary: '1', wait_ms: 3_600_000 }, { canary: 'all' }] };
    const staged = { ...good, name: 'entries/staged' };
    await api.call('EntryService', 'UpdateEntry', { entry: staged, allow_missing: true, rollout: plan });
    await eventually(() => assert.ok('entries/staged' in agent.applied));
    process.kill(etcd.pid, 'SIGSTOP');
    // A request on an open connection may be carried out as soon as etcd runs again.
    await assert.rejects(api.call('EntryService', 'UpdateEntry', update('first')), MAY_BE_WRITTEN);
    await controller.process.logged('etcd watch lost, listing again', { timeoutMs: 60_000 });
    for (const [service, method, request] of writes)
      await assert.rejects(api.call(service, method, request), UNAVAILABLE, method);
    assert.deepEqual(await namesSeenBy(controller), ['app', 'staged']);
    const { rollouts } = await api.call('RolloutService', 'ListRollouts', {});
    assert.deepEqual(
      rollouts.map(({ entry, counts }: { entry: string; counts: { connected: number } }) => [entry, counts.connected]),
      [['entries/staged', 1]],
    );
    await controller.process.kill('SIGTERM');
    assert.deepEqual(await controller.process.exited, { code: 0, signal: null });
  } finally {
    process.kill(etcd.pid, 'SIGCONT');
    await etcd.stop();
  }
});
