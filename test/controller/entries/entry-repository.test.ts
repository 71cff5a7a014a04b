import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { etagRevision } from '../../../proto/rules/etag.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { controller, good, refusal, versionsOf } from '../../support/entry-history.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';

test('every write is a version with content, author and reason, also when an entry is deleted and created again', async () => {
  await using running = await controller();
  const { api } = running;
  const write = (method: string, request: Record<string, unknown>, author: string) =>
    api.call('EntryService', method, request, { 'logfleet-author': author });
  const created = await write('CreateEntry', { entry_id: 'app', entry: good, change_reason: 'new' }, 'ann@laptop');
  const entry = { name: 'entries/app', topic: 'b' };
  const updated = await write('UpdateEntry', { entry, change_reason: 'a better topic' }, 'bob@ci');
  await write('DeleteEntry', { name: 'entries/app', change_reason: 'not wanted' }, 'ann@laptop');
  const again = await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });

  const versions = await versionsOf(running, 'app', 3);
  assert.deepEqual(
    versions.map(({ version, change, author, author_authenticated: sure, change_reason: why, entry: { topic } }) =>
      [version, change, author, sure, why, topic].join(' '),
    ),
    [
      '4 CHANGE_CREATED  false  app',
      '3 CHANGE_DELETED ann@laptop false not wanted b',
      '2 CHANGE_UPDATED bob@ci false a better topic b',
      '1 CHANGE_CREATED ann@laptop false new app',
    ],
  );
  const [last, deletion, second, first] = versions;
  assert.deepEqual(
    [first?.revision, second?.revision, last?.revision],
    [created.etag, updated.etag, again.etag].map(etagRevision),
  );
  assert.deepEqual([first?.former_revision, second?.former_revision], ['0', etagRevision(created.etag)]);
  assert.deepEqual(
    [deletion?.former_revision, last?.former_revision],
    [etagRevision(updated.etag), deletion?.revision],
  );
  assert.deepEqual({ ...second?.entry, topic_status: null }, { ...updated, topic_status: null });
  assert.notEqual(again.uid, created.uid);
  const unknown = { name: 'entries/never' };
  assert.equal((await refusal(api.call('EntryService', 'ListEntryVersions', unknown))).code, status.NOT_FOUND);
  const long = { name: 'entries/app', change_reason: 'x'.repeat(1025) };
  assert.deepEqual((await refusal(api.call('EntryService', 'DeleteEntry', long))).fields, ['change_reason']);
});

test('concurrent updates at two controllers leave a history without gaps that contains each acknowledged write', async () => {
  const prefix = newPrefix();
  const etcd = await sharedEtcd();
  await using a = await startController(etcd, prefix, '--history.versions', '1000');
  await using b = await startController(etcd, prefix, '--history.versions', '1000');
  const { etag: createdEtag } = await a.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
  const acknowledged = new Set<string>([etagRevision(createdEtag)]);
  const writer = async (at: typeof a, name: string) => {
    for (let round = 0; round < 40; round++) {
      const entry = { name: 'entries/app', owner: `${name}-${round}` };
      try {
        acknowledged.add(etagRevision((await at.api.call('EntryService', 'UpdateEntry', { entry })).etag));
      } catch (error) {
        assert.equal((error as { code: number }).code, status.ABORTED);
      }
    }
  };
  await Promise.all([writer(a, 'a'), writer(b, 'b'), writer(a, 'c'), writer(b, 'd')]);
  const versions = (await versionsOf(b, 'app')).reverse();
  assert.deepEqual(
    versions.map(({ version }) => Number(version)),
    versions.map((_, index) => index + 1),
  );
  for (const [index, { former_revision: former }] of versions.entries())
    assert.equal(former, versions[index - 1]?.revision ?? '0');
  assert.deepEqual(new Set(versions.map(({ revision }) => revision)), acknowledged);
});

test('when a controller is killed during writes, each entry matches its history', async () => {
  const prefix = newPrefix();
  const etcd = await sharedEtcd();
  const ids = Array.from({ length: 8 }, (_, index) => `app-${index}`);
  const acknowledged = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (let kill = 0; kill < 3; kill++) {
    await using running = await startController(etcd, prefix);
    const writing = ids.map(async (id) => {
      for (let round = 0; ; round++) {
        const entry = { ...good, name: `entries/${id}`, owner: `${kill}-${round}` };
        const request = { entry, allow_missing: true };
        acknowledged.get(id)?.push((await running.api.call('EntryService', 'UpdateEntry', request)).etag);
      }
    });
    const ended = Promise.allSettled(writing);
    const count = () => [...acknowledged.values()].flat().length;
    const before = count();
    await eventually(() => assert.ok(count() > before + 200), { timeoutMs: 30_000 });
    process.kill(running.process.pid, 'SIGKILL');
    await ended;
  }
  await using survivor = await startController(etcd, prefix);
  const client = new Etcd3({ hosts: etcd });
  try {
    for (const id of ids) {
      const { kvs } = await client.get(`${prefix}entries/${id}`).exec();
      const versions = await client.getAll().prefix(`${prefix}~versions/${id}/`).exec();
      const last = versions.kvs.at(-1);
      assert.equal(last?.mod_revision, kvs[0]?.mod_revision);
      assert.deepEqual(JSON.parse(String(last?.value)).entry, JSON.parse(String(kvs[0]?.value)));
      const told = await versionsOf(survivor, id);
      const numbers = told.map(({ version }) => Number(version));
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => (numbers[0] as number) - index),
      );
      const revisions = told.map(({ revision }) => revision);
      for (const etag of acknowledged.get(id)?.slice(-40) ?? [])
        assert.ok(revisions.includes(etagRevision(etag)), `${id}: ${etag}`);
    }
  } finally {
    client.close();
  }
});

test('a history keeps the configured number of versions, and no more', async () => {
  await using running = await controller('--history.versions', '3');
  const { api } = running;
  await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
  for (let round = 0; round < 5; round++)
    await api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/app', owner: `${round}` } });
  const owners = async () => (await versionsOf(running, 'app')).map(({ entry }) => entry.owner);
  assert.deepEqual(await owners(), ['4', '3', '2']);
  const update = { entry: { name: 'entries/app', owner: '5' } };
  const other = { entry_id: 'other', entry: good };
  await api.call('EntryService', 'BatchApply', { writes: [{ update }, { create: other }] });
  assert.deepEqual(await owners(), ['5', '4', '3']);
});

test("an entry written behind the controllers' back is recorded as a version before it is overwritten", async () => {
  const prefix = newPrefix();
  const etcd = await sharedEtcd();
  await using running = await startController(etcd, prefix);
  const { api } = running;
  const client = new Etcd3({ hosts: etcd });
  try {
    await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
    const key = `${prefix}entries/app`;
    const put = async (topic: string) => {
      const json = JSON.parse((await client.get(key).string()) as string);
      await client.put(key).value(JSON.stringify({ ...json, topic }));
    };
    await put('by-hand');
    const changes = async () => (await versionsOf(running, 'app')).map(({ change, entry }) => [change, entry.topic]);
    const found = ['CHANGE_FOUND', 'by-hand'];
    assert.deepEqual(await changes(), [found, ['CHANGE_CREATED', 'app']]);
    await api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/app', topic: 'c' } });
    assert.deepEqual(await changes(), [['CHANGE_UPDATED', 'c'], found, ['CHANGE_CREATED', 'app']]);
    const revision = (await versionsOf(running, 'app'))[1]?.revision;
    const back = await api.call('EntryService', 'RollbackEntry', { name: 'entries/app', revision });
    assert.equal(back.topic, 'by-hand');

    // An entry of a controller that kept no versions.
    const older = { ...good, uid: 'u', topic: 'old' };
    await client.put(`${prefix}entries/old`).value(JSON.stringify({ name: 'entries/old', ...older }));
    await eventually(() => api.call('EntryService', 'GetEntry', { name: 'entries/old' }));
    await api.call('EntryService', 'DeleteEntry', { name: 'entries/old' });
    const told = (await versionsOf(running, 'old')).map(({ version, change, entry }) => [version, change, entry.topic]);
    assert.deepEqual(told, [
      ['2', 'CHANGE_DELETED', 'old'],
      ['1', 'CHANGE_FOUND', 'old'],
    ]);

    // An entry deleted behind the controllers' back: its versions stay, and their numbers continue.
    await client.delete().key(key);
    await eventually(() => api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good }));
    const [created, ...former] = await changes();
    const [again, before] = await versionsOf(running, 'app');
    assert.deepEqual([again?.version, again?.former_revision], ['5', before?.revision]);
    assert.deepEqual(created, ['CHANGE_CREATED', 'app']);
    assert.deepEqual(former.slice(1), [['CHANGE_UPDATED', 'c'], found, ['CHANGE_CREATED', 'app']]);
  } finally {
    client.close();
  }
});

test('validate_only responds as the write would, and stores nothing', async () => {
  await using running = await controller();
  const { api } = running;
  const check = (method: string, request: Record<string, unknown>) =>
    api.call('EntryService', method, { ...request, validate_only: true });
  const would = await check('CreateEntry', { entry_id: 'app', entry: good });
  assert.deepEqual([would.name, would.start, would.etag], ['entries/app', 'end', '']);
  assert.deepEqual((await api.call('EntryService', 'ListEntries', {})).entries, []);
  const created = await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
  assert.equal((await refusal(check('CreateEntry', { entry_id: 'app', entry: good }))).code, status.ALREADY_EXISTS);
  const changed = await check('UpdateEntry', { entry: { name: 'entries/app', topic: 'b' } });
  assert.deepEqual([changed.topic, changed.etag], ['b', created.etag]);
  const stale = { name: 'entries/app', etag: '1' };
  assert.equal((await refusal(check('UpdateEntry', { entry: stale }))).code, status.ABORTED);
  assert.equal((await refusal(check('DeleteEntry', stale))).code, status.ABORTED);
  await check('DeleteEntry', { name: 'entries/app', etag: created.etag });
  await check('RollbackEntry', { name: 'entries/app', revision: etagRevision(created.etag) });
  const bad = { name: 'entries/app', topic: 'a b' };
  assert.deepEqual((await refusal(check('UpdateEntry', { entry: bad }))).fields, ['entry.topic']);
  assert.deepEqual(await api.call('EntryService', 'GetEntry', { name: 'entries/app' }), {
    ...created,
    topic_status: (await api.call('EntryService', 'GetEntry', { name: 'entries/app' })).topic_status,
  });
  assert.equal((await versionsOf(running, 'app')).length, 1);
});

test('an invalid key in etcd is named with the remedy, and hides no other entry', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using running = await startController(etcd, prefix);
  const { api } = running;
  const client = new Etcd3({ hosts: etcd });
  try {
    for (const id of ['a', 'b']) await api.call('EntryService', 'CreateEntry', { entry_id: id, entry: good });
    const [key, version] = [`${prefix}entries/a`, `${prefix}~versions/a/0000000001`];
    await client.put(key).value('not JSON');
    for (const [method, request] of [
      ['UpdateEntry', { entry: { name: 'entries/a', topic: 'b' } }],
      ['DeleteEntry', { name: 'entries/a' }],
      ['ListEntryVersions', { name: 'entries/a' }],
    ] as const) {
      const { code, details } = await refusal(api.call('EntryService', method, request));
      assert.equal(code, status.FAILED_PRECONDITION, method);
      assert.ok(details.includes(`etcdctl del '${key}'`), details);
    }
    await client.put(version).value('not JSON');
    await client.put(`${prefix}~versions/odd`).value('{}');
    const told: string[] = [];
    const stream = api.stream('EntryService', 'WatchChanges', { from_revision: '1' });
    for await (const { kind, name } of stream) {
      told.push(`${kind} ${name}`.trim());
      if (kind === 'KIND_SYNCED') break;
    }
    assert.deepEqual(told, ['KIND_CHANGE entries/b', 'KIND_SYNCED']);
    await running.process.logged('version of an entry skipped: it is invalid');
    await client.delete().key(key);
    assert.equal((await api.call('EntryService', 'CreateEntry', { entry_id: 'c', entry: good })).name, 'entries/c');
  } finally {
    client.close();
  }
});
