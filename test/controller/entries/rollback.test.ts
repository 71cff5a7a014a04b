import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { etagRevision } from '../../../proto/rules/etag.ts';
import { controller, good, refusal, versionsOf } from '../../support/entry-history.ts';

test('a rollback restores a version, refuses a stale etag, and gives a deleted entry its uid back', async () => {
  await using running = await controller();
  const { api } = running;
  const roll = (request: Record<string, unknown>) =>
    api.call('EntryService', 'RollbackEntry', { name: 'entries/app', ...request });
  const first = await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: { ...good, owner: 'a' } });
  const second = await api.call('EntryService', 'UpdateEntry', {
    entry: { name: 'entries/app', topic: 'b', filter: { include: 'x' } },
  });
  assert.equal(second.filter.include, 'x');
  assert.equal((await refusal(roll({ revision: etagRevision(first.etag), etag: first.etag }))).code, status.ABORTED);
  const missing = await refusal(roll({ revision: '7' }));
  assert.equal(missing.code, status.NOT_FOUND);
  assert.match(
    missing.details,
    new RegExp(
      `no version of revision 7: its last revisions are ${[second.etag, first.etag].map(etagRevision).join(', ')}`,
    ),
  );
  const back = await roll({ revision: etagRevision(first.etag), etag: second.etag, change_reason: 'b was wrong' });
  assert.deepEqual([back.topic, back.owner, back.filter, back.uid], ['app', 'a', null, first.uid]);
  const [version] = await versionsOf(running, 'app');
  assert.deepEqual(
    [version?.change, version?.rolled_back_to, version?.change_reason, version?.revision],
    ['CHANGE_ROLLED_BACK', etagRevision(first.etag), 'b was wrong', etagRevision(back.etag)],
  );
  await api.call('EntryService', 'DeleteEntry', { name: 'entries/app' });
  const [deletion] = await versionsOf(running, 'app');
  assert.equal((await refusal(roll({ revision: etagRevision(second.etag), etag: back.etag }))).code, status.NOT_FOUND);
  const returned = await roll({ revision: deletion?.revision });
  assert.deepEqual([returned.topic, returned.uid, returned.create_time], ['app', first.uid, first.create_time]);
  assert.deepEqual((await api.call('EntryService', 'GetEntry', { name: 'entries/app' })).etag, returned.etag);
});

test('a rollback keeps the pause and the limit that an operator has set since, and undoes those of a file', async () => {
  await using running = await controller();
  const { api } = running;
  const name = 'entries/app';
  const update = (fields: Record<string, unknown>, ...paths: string[]) =>
    api.call('EntryService', 'UpdateEntry', { entry: { name, ...fields }, update_mask: { paths } });
  const roll = (etag: string) => api.call('EntryService', 'RollbackEntry', { name, revision: etagRevision(etag) });
  const first = await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: good });
  // As `logfleet apply` writes it: a file always names the paths.
  const byFile = await update({ ...good, topic: 'b', paused: true, max_bytes_per_second: '4096' }, '*');
  const undone = await roll(first.etag);
  assert.deepEqual([undone.topic, undone.paused, undone.max_bytes_per_second], ['app', false, '0']);

  await update({ paused: true }, 'paused');
  await update({ max_bytes_per_second: '2048' }, 'max_bytes_per_second');
  await update({ topic: 'c' }, 'topic');
  const kept = await roll(first.etag);
  assert.deepEqual([kept.topic, kept.paused, kept.max_bytes_per_second], ['app', true, '2048']);
  const again = await roll(first.etag);
  assert.deepEqual([again.paused, again.max_bytes_per_second], [true, '2048'], 'a rollback does not hide who set it');
  const other = await roll(byFile.etag);
  assert.equal(other.max_bytes_per_second, '4096', 'the version has a limit of its own');

  await api.call('EntryService', 'DeleteEntry', { name });
  const restored = await roll(first.etag);
  assert.deepEqual([restored.paused, restored.max_bytes_per_second], [false, '0'], 'a deleted entry has no pause');
});
