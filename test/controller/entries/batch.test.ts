import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { etagRevision } from '../../../proto/rules/etag.ts';
import { LARGE_BATCHES, startEtcd } from '../../../stack/etcd.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { controller, good, refusal, versionsOf } from '../../support/entry-history.ts';
import { tempDir } from '../../support/temp-dir.ts';

const create = (id: string, entry: Record<string, unknown> = good) => ({ create: { entry_id: id, entry } });

test('a batch creates, changes and deletes at one revision, or does nothing', async () => {
  await using running = await controller();
  const { api } = running;
  const batch = (writes: unknown[], more = {}) => api.call('EntryService', 'BatchApply', { writes, ...more });
  const names = async () =>
    (await api.call('EntryService', 'ListEntries', {})).entries.map(({ name }: { name: string }) => name.slice(8));
  await batch([create('a'), create('b')]);
  const update = { update: { entry: { name: 'entries/a', topic: 'x' }, change_reason: 'its own' } };
  const remove = { delete: { name: 'entries/b' } };

  const dry = await batch([create('c'), update, remove], { validate_only: true });
  assert.deepEqual([dry.revision, dry.results[1].entry.topic], ['0', 'x']);
  assert.deepEqual(await names(), ['a', 'b']);

  const done = await batch([create('c'), update, remove], { change_reason: 'a release' });
  assert.deepEqual(
    done.results.map(({ change, entry }: { change: string; entry: { name: string } }) => `${change} ${entry.name}`),
    ['CHANGE_CREATED entries/c', 'CHANGE_UPDATED entries/a', 'CHANGE_DELETED entries/b'],
  );
  assert.deepEqual(await names(), ['a', 'c']);
  for (const [id, reason] of [
    ['a', 'its own'],
    ['b', 'a release'],
    ['c', 'a release'],
  ] as const) {
    const [last] = await versionsOf(running, id);
    assert.deepEqual([last?.revision, last?.change_reason], [done.revision, reason]);
  }

  const refused: [unknown[], number, RegExp][] = [
    [[create('d'), create('a')], status.ALREADY_EXISTS, /entries\/a exists already/],
    [[create('d'), { delete: { name: 'entries/none' } }], status.NOT_FOUND, /there is no entries\/none/],
    [[create('d'), { delete: { name: 'entries/a', etag: '1' } }], status.ABORTED, /entries\/a has changed since/],
  ];
  for (const [writes, code, text] of refused) {
    const { code: found, details } = await refusal(batch(writes));
    assert.equal(found, code);
    assert.match(details, text);
  }
  const wrong = [
    create('D'),
    { update: { entry: { name: 'entries/a', topic: 'a b' }, validate_only: true } },
    {},
    create('e'),
    create('e'),
  ];
  assert.deepEqual((await refusal(batch(wrong))).fields, [
    'writes[1].update.validate_only',
    'writes[2]',
    'writes[3].create.entry_id',
    'writes[4].create.entry_id',
  ]);
  const rules = [create('D'), { update: { entry: { name: 'entries/a', topic: 'a b' } } }, create('f', { topic: 't' })];
  assert.deepEqual((await refusal(batch(rules))).fields, [
    'writes[0].create.entry_id',
    'writes[1].update.entry.topic',
    'writes[2].create.entry.paths',
  ]);
  assert.deepEqual((await refusal(batch([]))).fields, ['writes']);
  assert.deepEqual(await names(), ['a', 'c']);
});

test("a batch beyond etcd's limits is refused with the remedy, and nothing is written", async () => {
  await using running = await controller();
  const { api } = running;
  const many = Array.from({ length: 65 }, (_, index) => create(`e-${index}`));
  for (const more of [{}, { validate_only: true }]) {
    const { code, details } = await refusal(api.call('EntryService', 'BatchApply', { writes: many, ...more }));
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(
      details,
      /the 65 writes take 130 etcd operations, .*start every etcd member with --max-txn-ops=130 or more/,
    );
  }
  const paths = Array.from({ length: 100 }, (_, index) => `/var/log/${index}/${'x'.repeat(4_000)}/*.log`);
  const large = (count: number) =>
    Array.from({ length: count }, (_, index) => create(`l-${index}`, { ...good, paths }));
  for (const count of [2, 6]) {
    const { code, details } = await refusal(api.call('EntryService', 'BatchApply', { writes: large(count) }));
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(details, new RegExp(`the ${count} writes have \\d+ bytes .*--max-request-bytes=\\d+`));
  }
  assert.deepEqual((await api.call('EntryService', 'ListEntries', {})).entries, []);
  const { results } = await api.call('EntryService', 'BatchApply', { writes: [...many.slice(1)] });
  assert.equal(results.length, 64);
  await api.call('EntryService', 'BatchApply', { writes: large(1) });
});

test('with raised limits of etcd, two thousand entries are one batch', async () => {
  await using dir = await tempDir('batch');
  const etcd = await startEtcd({ dataDir: dir.at('etcd'), flags: LARGE_BATCHES });
  try {
    await using running = await startController(etcd.endpoint, newPrefix());
    const writes = Array.from({ length: 2_000 }, (_, index) => create(`e-${index}`));
    const { revision, results } = await running.api.call('EntryService', 'BatchApply', { writes });
    assert.equal(results.length, 2_000);
    const page = { page_size: 1_000, page_token: '' };
    const { entries } = await running.api.call('EntryService', 'ListEntries', page);
    assert.ok(entries.every(({ etag }: { etag: string }) => etagRevision(etag) === revision));
    const [last] = await versionsOf(running, 'e-1999');
    assert.equal(last?.revision, revision);
  } finally {
    await etcd.stop();
  }
});
