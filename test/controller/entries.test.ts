import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { violatedFields } from '../support/grpc-client.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';

const good = { paths: ['/var/log/app/*.log'], topic: 'app' };

const controller = async (...args: string[]) => startController(await sharedEtcd(), newPrefix(), ...args);

async function refusal(promise: Promise<unknown>): Promise<{ code: number; details: string; fields: string[] }> {
  try {
    await promise;
  } catch (error) {
    const { code, details } = error as { code: number; details: string };
    return { code, details, fields: violatedFields(error) };
  }
  throw new Error('the call was not refused');
}

test('an entry is created, read, changed by mask, listed and deleted', async () => {
  await using running = await controller();
  const { api } = running;
  const created = await api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { ...good, owner: 'team-a' },
  });
  assert.equal(created.name, 'entries/app');
  assert.deepEqual(
    [created.start, created.compression, created.headers, created.max_line_bytes],
    ['end', 'lz4', 'standard', 262_144],
  );
  assert.deepEqual(await api.call('EntryService', 'GetEntry', { name: 'entries/app' }), created);

  const patch = { name: 'entries/app', topic: 'other', owner: 'ignored' };
  const updated = await api.call('EntryService', 'UpdateEntry', { entry: patch, update_mask: { paths: ['topic'] } });
  assert.deepEqual([updated.topic, updated.owner, updated.uid], ['other', 'team-a', created.uid]);
  assert.notEqual(updated.etag, created.etag);

  const unmasked = await api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/app', paused: true } });
  assert.deepEqual([unmasked.paused, unmasked.topic], [true, 'other']);
  const unlinked = { name: 'entries/app', follow_links: false };
  assert.equal((await api.call('EntryService', 'UpdateEntry', { entry: unlinked })).follow_links, false);

  await api.call('EntryService', 'DeleteEntry', { name: 'entries/app' });
  assert.equal((await refusal(api.call('EntryService', 'GetEntry', { name: 'entries/app' }))).code, status.NOT_FOUND);
});

test('a stale etag is refused with ABORTED and nothing is changed', async () => {
  await using running = await controller();
  const { api } = running;
  const first = await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
  const second = await api.call('EntryService', 'UpdateEntry', {
    entry: { name: 'entries/app', topic: 'b', etag: first.etag },
  });
  const stale = { name: 'entries/app', topic: 'c', etag: first.etag };
  assert.equal((await refusal(api.call('EntryService', 'UpdateEntry', { entry: stale }))).code, status.ABORTED);
  assert.equal(
    (await refusal(api.call('EntryService', 'DeleteEntry', { name: 'entries/app', etag: first.etag }))).code,
    status.ABORTED,
  );
  assert.equal((await api.call('EntryService', 'GetEntry', { name: 'entries/app' })).etag, second.etag);
  await api.call('EntryService', 'DeleteEntry', { name: 'entries/app', etag: second.etag });
});

const bad: [string, Record<string, unknown>, string[]][] = [
  ['no paths', { topic: 'app' }, ['entry.paths']],
  ['a bad glob', { ...good, paths: ['/var/log/[a.log', '/ok/*.log'] }, ['entry.paths[0]']],
  ['a relative glob', { ...good, paths: ['log/*.log'] }, ['entry.paths[0]']],
  ['an impossible topic name', { ...good, topic: 'a b' }, ['entry.topic']],
  ["one of Kafka's own topics", { ...good, topic: '__consumer_offsets' }, ['entry.topic']],
  ['a bad selector', { ...good, selector: 'env in (prod' }, ['entry.selector']],
  ['a bad start', { ...good, start: 'yesterday' }, ['entry.start']],
  ['a start on no day', { ...good, start: '2026-02-30T00:00:00Z' }, ['entry.start']],
  [
    'several at once',
    { topic: '', compression: 'rar', headers: 'some', max_line_bytes: 7 },
    ['entry.paths', 'entry.topic', 'entry.compression', 'entry.headers', 'entry.max_line_bytes'],
  ],
];
test('bad entries are refused with every violated field named, and nothing is changed', async () => {
  await using running = await controller();
  const { api } = running;
  for (const [name, entry, fields] of bad) {
    const { code, fields: named } = await refusal(api.call('EntryService', 'CreateEntry', { entry_id: 'bad', entry }));
    assert.equal(code, status.INVALID_ARGUMENT, name);
    assert.deepEqual(named.sort(), fields.sort(), name);
  }
  for (const id of ['Upper', '-x', 'a.b', 'x'.repeat(64)]) {
    const { code, fields } = await refusal(api.call('EntryService', 'CreateEntry', { entry_id: id, entry: good }));
    assert.deepEqual([code, fields], [status.INVALID_ARGUMENT, ['entry_id']], id);
  }
  const mask = { entry: { name: 'entries/app' }, update_mask: { paths: ['colour'] } };
  await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
  assert.deepEqual((await refusal(api.call('EntryService', 'UpdateEntry', mask))).fields, ['update_mask']);
  const violated = async (method: string, request: Record<string, unknown>) =>
    (await refusal(api.call('EntryService', method, request))).fields.sort();
  const both = { ...mask, entry: { ...mask.entry, topic: 'a b' }, update_mask: { paths: ['colour', 'topic'] } };
  assert.deepEqual(await violated('UpdateEntry', both), ['entry.topic', 'update_mask']);
  const unnamed = { entry: { name: 'app', topic: 'a b' } };
  assert.deepEqual(await violated('UpdateEntry', unnamed), ['entry.name', 'entry.topic']);
  const differing = { entry_id: 'one', entry: { ...good, name: 'entries/other', topic: '' } };
  assert.deepEqual(await violated('CreateEntry', differing), ['entry.topic', 'entry_id']);
  const list = { page_size: -1, page_token: 'zzz', label_selector: '=' };
  assert.deepEqual(await violated('ListEntries', list), ['label_selector', 'page_size', 'page_token']);
  const { entries } = await api.call('EntryService', 'ListEntries', {});
  assert.deepEqual(
    entries.map((entry: { name: string }) => entry.name),
    ['entries/app'],
  );
});

test('a duplicate name is refused, and so is an entry of two megabytes', async () => {
  await using running = await controller();
  const { api } = running;
  await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
  assert.equal(
    (await refusal(api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good }))).code,
    status.ALREADY_EXISTS,
  );
  const huge = { ...good, description: 'x'.repeat(2_000_000) };
  const { code, details } = await refusal(api.call('EntryService', 'CreateEntry', { entry_id: 'huge', entry: huge }));
  assert.equal(code, status.RESOURCE_EXHAUSTED);
  assert.match(details, /at most 524288/);
});

test('pages tile the list, whatever is created between them, and an invalid token is refused', async () => {
  await using running = await controller();
  const { api } = running;
  for (const id of ['a', 'b', 'c', 'e']) await api.call('EntryService', 'CreateEntry', { entry_id: id, entry: good });
  const first = await api.call('EntryService', 'ListEntries', { page_size: 2 });
  await api.call('EntryService', 'CreateEntry', { entry_id: 'd', entry: good });
  await api.call('EntryService', 'CreateEntry', { entry_id: 'aa', entry: good });
  const second = await api.call('EntryService', 'ListEntries', { page_size: 2, page_token: first.next_page_token });
  const third = await api.call('EntryService', 'ListEntries', { page_size: 2, page_token: second.next_page_token });
  const names = [first, second, third].flatMap(({ entries }) =>
    entries.map(({ name }: { name: string }) => name.slice(8)),
  );
  assert.deepEqual(names, ['a', 'b', 'c', 'd', 'e']);
  assert.equal(third.next_page_token, '');
  const other = { page_token: first.next_page_token, label_selector: 'team=a' };
  for (const request of [{ page_token: 'zzz' }, other])
    assert.deepEqual((await refusal(api.call('EntryService', 'ListEntries', request))).fields, ['page_token']);
  assert.deepEqual((await refusal(api.call('EntryService', 'ListEntries', { page_size: -1 }))).fields, ['page_size']);
});

test('a watch sends the present entries, then every change, also those made at another controller', async () => {
  const prefix = newPrefix();
  const etcd = await sharedEtcd();
  await using a = await startController(etcd, prefix);
  await using b = await startController(etcd, prefix);
  await a.api.call('EntryService', 'CreateEntry', { entry_id: 'one', entry: good });
  await eventually(() => b.api.call('EntryService', 'GetEntry', { name: 'entries/one' }));
  const watch = b.api.stream('EntryService', 'WatchEntries', {});
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { kind, entry } of watch) seen.push(`${kind} ${(entry as { name?: string } | null)?.name ?? ''}`);
  })().catch(() => {});
  await eventually(() => assert.deepEqual(seen, ['KIND_PRESENT entries/one', 'KIND_SYNCED ']));
  await a.api.call('EntryService', 'CreateEntry', { entry_id: 'two', entry: good });
  await eventually(() => assert.equal(seen.at(-1), 'KIND_CREATED entries/two'));
  await a.api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/two', topic: 'b' } });
  await eventually(() => assert.equal(seen.at(-1), 'KIND_UPDATED entries/two'));
  await b.api.call('EntryService', 'DeleteEntry', { name: 'entries/two' });
  await eventually(() => assert.equal(seen.at(-1), 'KIND_DELETED entries/two'));
  watch.cancel();
  await reading;
});

test('a missing topic is created, and a refusal by Kafka is shown in the status of the entry', async () => {
  const kafka = (await sharedKafka()).join(',');
  await using fine = await controller('--kafka', kafka, '--topics.partitions', '3');
  const topic = `made-${newPrefix().slice(6, 20)}`;
  await fine.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: { ...good, topic } });
  await eventually(async () => {
    const { topic_status: found } = await fine.api.call('EntryService', 'GetEntry', { name: 'entries/app' });
    assert.deepEqual(found, { state: 'STATE_READY', message: '', partitions: 3 });
  });
  await using greedy = await controller('--kafka', kafka, '--topics.replication_factor', '3');
  await greedy.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: { ...good, topic: `${topic}-x` } });
  await eventually(async () => {
    const { topic_status: found } = await greedy.api.call('EntryService', 'GetEntry', { name: 'entries/app' });
    assert.equal(found.state, 'STATE_REFUSED');
    assert.match(found.message, /replication/i);
  });
});
