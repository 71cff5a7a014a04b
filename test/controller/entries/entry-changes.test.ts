import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controller, good, versionsOf } from '../../support/entry-history.ts';

test('a write that changes nothing keeps the etag and the history', async () => {
  await using running = await controller();
  const { api } = running;
  const entry = { ...good, name: 'entries/app', owner: 'ann' };
  const created = await api.call('EntryService', 'CreateEntry', { entry });
  const update = { entry, update_mask: ['*'], change_reason: 'the same' };
  assert.deepEqual(await api.call('EntryService', 'UpdateEntry', update), created);
  const inSteps = { ...update, rollout: { steps: [{ canary: '10%' }, { canary: 'all' }] } };
  assert.deepEqual(await api.call('EntryService', 'UpdateEntry', inSteps), created);
  const nothing = await api.call('EntryService', 'BatchApply', { writes: [{ update }] });
  assert.deepEqual([nothing.revision, nothing.results[0].change], ['0', 'CHANGE_UNSPECIFIED']);
  const create = { entry: { ...good, name: 'entries/new' } };
  const { results } = await api.call('EntryService', 'BatchApply', { writes: [{ update }, { create }] });
  assert.deepEqual(
    results.map((result: { change: string; entry: { etag: string } }) => [
      result.change,
      result.entry.etag === created.etag,
    ]),
    [
      ['CHANGE_UNSPECIFIED', true],
      ['CHANGE_CREATED', false],
    ],
  );
  assert.equal((await versionsOf(running, 'app')).length, 1);
  assert.equal((await api.call('EntryService', 'GetEntry', { name: 'entries/app' })).etag, created.etag);
});

test('an entry is stored with a single slash between the parts of its globs', async () => {
  await using running = await controller();
  const entry = { topic: 'app', paths: ['/var//log/*.log'], exclude: ['**//*.gz'], name: 'entries/app' };
  const { paths, exclude } = await running.api.call('EntryService', 'CreateEntry', { entry });
  assert.deepEqual([paths, exclude], [['/var/log/*.log'], ['**/*.gz']]);
});
