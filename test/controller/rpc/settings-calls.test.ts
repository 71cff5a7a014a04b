import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { prefixRange } from '../../../controller/etcd/etcd-keys.ts';
import { hello } from '../../support/agent-streams.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { type Stream, violatedFields } from '../../support/grpc-client.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { setFor } from '../../support/settings.ts';

const prefix = newPrefix();
let controller: RunningController;
let other: RunningController;

before(async () => {
  controller = await startController(await sharedEtcd(), prefix);
  other = await startController(await sharedEtcd(), prefix);
});

after(async () => {
  await other[Symbol.asyncDispose]();
  await controller[Symbol.asyncDispose]();
});

/** Sets them, also for an agent that has never connected. */
const set = (id: string, fields: Record<string, unknown>, more: object = {}) =>
  setFor({ controller }, id, fields, { allow_missing: true, ...more });
const get = (id: string, from = controller) =>
  from.api.call('FleetService', 'GetAgentSettings', { name: `agents/${id}/settings` });

/** The violated fields of a refused call. */
async function refused(call: Promise<unknown>): Promise<string[]> {
  const error = await call.then(
    () => assert.fail('was not refused'),
    (reason: ServiceError) => reason,
  );
  assert.equal(error.code, status.INVALID_ARGUMENT, error.message);
  return violatedFields(error);
}

/** The keys of settings in etcd. */
async function stored(): Promise<string[]> {
  const client = new EtcdClient({ endpoints: [await sharedEtcd()], tls: undefined, user: undefined });
  const { keys } = await client.list(prefixRange(`${prefix}settings/`));
  client.close();
  return keys.map(({ key }) => key.slice(prefix.length));
}

/** The messages of a stream, one after the other. */
const messages = (stream: Stream) => {
  const reading = stream[Symbol.asyncIterator]();
  // biome-ignore lint/suspicious/noExplicitAny: a message of the .proto files.
  const next = async (): Promise<any> => (await reading.next()).value;
  return { next, kind: async () => Object.entries(await next()).find(([, value]) => value !== null)?.[0] };
};

test('settings are kept for an agent that has never connected, field by field, with author and reason, until all have their defaults', async () => {
  const { settings, warnings } = await set(
    'new-1',
    { paused_entries: ['entries/b', 'entries/a', 'entries/b'] },
    { change_reason: 'noise' },
  );
  assert.deepEqual(settings.paused_entries, ['entries/a', 'entries/b']);
  assert.match(warnings.join('\n'), /no entries\/a, entries\/b.*\nagent new-1 has never connected/);
  await set('new-1', { max_bytes_per_second: 4_096 });
  const now = await get('new-1');
  assert.deepEqual(
    [now.paused_entries, now.max_bytes_per_second, now.reason],
    [['entries/a', 'entries/b'], '4096', ''],
  );
  await eventually(async () => assert.deepEqual(await get('new-1', other), now));
  assert.deepEqual(await stored(), ['settings/new-1']);
  const { settings: gone } = await set('new-1', { paused_entries: [], max_bytes_per_second: 0 });
  assert.equal(gone.etag, '');
  assert.deepEqual(await stored(), []);
});

test('settings for an agent that does not exist are refused with NOT_FOUND, unless allow_missing is set or it has settings', async () => {
  const setWithout = (fields: object, more: object = {}) =>
    set('web-71', { ...fields }, { allow_missing: false, ...more });
  const isRefused = ({ code, details }: ServiceError) => {
    assert.equal(code, status.NOT_FOUND);
    assert.match(details, /^there is no agents\/web-71: check the id, or set allow_missing \(--allow-missing\)/);
    return true;
  };
  for (const fields of [{ paused: true }, { draining: true }, { max_bytes_per_second: 4_096 }, { paused: false }])
    await assert.rejects(setWithout(fields), isRefused);
  await assert.rejects(setWithout({ paused: true }, { validate_only: true }), isRefused);
  assert.deepEqual(await refused(setWithout({ max_bytes_per_second: 1 })), ['settings.max_bytes_per_second']);
  assert.deepEqual(await stored(), []);
  await set('web-71', { draining: true });
  assert.equal((await setWithout({ max_bytes_per_second: 4_096 })).settings.draining, true);
  await setWithout({ draining: false, max_bytes_per_second: 0 });
  assert.deepEqual(await stored(), []);
});

test('invalid settings are refused with every violated field, and validate_only changes nothing', async () => {
  const call = set(
    'a',
    { paused: true, draining: true, paused_entries: ['x'], max_bytes_per_second: 100 },
    { change_reason: 'y'.repeat(1_025) },
  );
  assert.deepEqual(await refused(call), [
    'settings.max_bytes_per_second',
    'settings.paused_entries[0]',
    'settings.draining',
    'change_reason',
  ]);
  assert.deepEqual(await refused(set('a', { nonsense: 1 })), ['update_mask']);
  assert.deepEqual(await refused(set('A', { paused: true })), ['settings.name']);
  const { settings, warnings } = await set('a', { paused: true }, { validate_only: true });
  assert.deepEqual([settings.paused, settings.etag, warnings.length], [true, '', 1]);
  assert.equal((await get('a')).paused, false);
  assert.deepEqual(await stored(), []);
});

test('a stale etag is refused, also the one for no settings, and an update that changes nothing is not written', async () => {
  const stale = (error: ServiceError) => error.code === status.ABORTED;
  const first = (await set('b', { paused: true, etag: '0' })).settings;
  await assert.rejects(set('b', { max_bytes_per_second: 2_048, etag: '0' }), stale);
  const second = (await set('b', { max_bytes_per_second: 2_048, etag: first.etag })).settings;
  await assert.rejects(set('b', { paused: false, etag: first.etag }), stale);
  assert.equal((await set('b', { paused: true })).settings.etag, second.etag);
  await Promise.all([set('b', { paused: false }), set('b', { max_bytes_per_second: 0 })]);
  assert.deepEqual(await stored(), []);
  await assert.rejects(set('b', { paused: true, etag: second.etag }), stale);
});

test('all settings are listed in pages, sorted by agent', async () => {
  const ids = ['p-1', 'p-2', 'p-3'];
  for (const id of ids.toReversed()) await set(id, { paused: true });
  const listed: string[] = [];
  for (let page_token = ''; ; ) {
    const page = await controller.api.call('FleetService', 'ListAgentSettings', { page_size: 2, page_token });
    listed.push(...page.settings.map(({ name }: { name: string }) => name));
    page_token = page.next_page_token;
    if (page_token === '') break;
  }
  assert.deepEqual(
    listed,
    ids.map((id) => `agents/${id}/settings`),
  );
  for (const id of ids) await set(id, { paused: false });
});

test('an agent with other settings gets its settings before its entries, and every change; an agent without the capability gets none', async () => {
  const able = { capabilities: ['settings'] };
  const { settings } = await set('c', { paused: true });
  const told = messages(hello(other.api.stream('AgentService', 'Connect'), 'c', able));
  assert.deepEqual((await told.next()).settings, settings);
  assert.equal(await told.kind(), 'desired');
  assert.equal(await told.kind(), 'controllers');
  await set('c', { paused: false });
  const ended = (await told.next()).settings;
  assert.deepEqual([ended.name, ended.paused, ended.etag], ['agents/c/settings', false, '']);

  const { settings: held } = await set('d', { max_bytes_per_second: 5_000 });
  const knowing = hello(controller.api.stream('AgentService', 'Connect'), 'd', {
    ...able,
    applied_settings: held.etag,
  });
  const knows = messages(knowing);
  assert.equal(await knows.kind(), 'desired');
  const { warnings } = await set('d', { max_bytes_per_second: 0 });
  assert.deepEqual(warnings, []);

  const old = messages(hello(controller.api.stream('AgentService', 'Connect'), 'old'));
  assert.equal(await old.kind(), 'desired');
  assert.equal(await old.kind(), 'controllers');
  const answer = await setFor({ controller: other }, 'old', { paused: true });
  assert.match(answer.warnings.join(), /old runs version unknown, which does not support settings/);
  const entry = { paths: ['/none'], topic: 't' };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'later', entry });
  assert.equal(await old.kind(), 'desired');
});
