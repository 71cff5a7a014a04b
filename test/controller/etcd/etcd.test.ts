import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { startEtcd } from '../../../stack/etcd.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { tempDir } from '../../support/temp-dir.ts';

const good = { paths: ['/var/log/app/*.log'], topic: 'app' };

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

test('a write while etcd is away is refused as UNAVAILABLE, with the reason', async () => {
  await using dir = await tempDir('unanswered');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  try {
    await using controller = await startController(etcd.endpoint, newPrefix());
    const { api } = controller;
    await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
    await etcd.stop();
    const update = api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/app', owner: 'me' } });
    await assert.rejects(update, /UNAVAILABLE: etcd does not respond/);
  } finally {
    await etcd.stop();
  }
});
