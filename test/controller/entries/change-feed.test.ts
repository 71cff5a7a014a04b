import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { etagRevision } from '../../../proto/rules/etag.ts';
import { startEtcd } from '../../../stack/etcd.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { controller, good } from '../../support/entry-history.ts';
import { eventually } from '../../support/eventually.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Follows changes, and keeps one line for each event. */
function follow({ api }: RunningController, request: Record<string, unknown>) {
  const told: string[] = [];
  const revisions: bigint[] = [];
  const stream = api.stream('EntryService', 'WatchChanges', request);
  const reading = (async () => {
    for await (const { kind, name, version, revision } of stream) {
      const { change, entry } = (version ?? {}) as { change?: string; entry?: { owner: string } };
      const what = kind === 'KIND_CHANGE' ? `${change} ${name} ${entry?.owner}` : `${kind} ${name}`;
      told.push(what.replace('entries/', '').replace('CHANGE_', '').trim());
      revisions.push(BigInt(revision as string));
    }
  })().catch(() => {});
  const stop = async () => {
    stream.cancel();
    await reading;
  };
  return { told, revisions, stop };
}

async function update({ api }: RunningController, id: string, owner: string): Promise<{ etag: string }> {
  const entry = { ...good, name: `entries/${id}`, owner };
  return await api.call('EntryService', 'UpdateEntry', { entry, allow_missing: true });
}

test('changes from a revision on, of one entry or all, are sent and followed in order, deletions included', async () => {
  await using running = await controller();
  await update(running, 'a', '1');
  const { etag } = await update(running, 'b', '2');
  await update(running, 'a', '3');
  await running.api.call('EntryService', 'DeleteEntry', { name: 'entries/b' });
  const all = follow(running, { from_revision: '1' });
  const some = follow(running, { from_revision: etagRevision(etag) });
  const one = follow(running, { from_revision: '1', name: 'entries/a' });
  const later = follow(running, {});
  for (const { told } of [all, some, one, later]) await eventually(() => assert.equal(told.at(-1), 'KIND_SYNCED'));
  await update(running, 'a', '4');
  const writes = [];
  for (let round = 0; round < 20; round++) writes.push({ create: { entry_id: `n-${round}`, entry: good } });
  await running.api.call('EntryService', 'BatchApply', { writes });
  await update(running, 'a', '5');
  for (const { told } of [all, some, one, later]) await eventually(() => assert.equal(told.at(-1), 'UPDATED a 5'));
  const then = ['UPDATED a 4', ...writes.map(({ create }) => `CREATED ${create.entry_id} `.trim()), 'UPDATED a 5'];
  const before = ['CREATED a 1', 'CREATED b 2', 'UPDATED a 3', 'DELETED b 2', 'KIND_SYNCED'];
  assert.deepEqual(all.told, [...before, ...then]);
  assert.deepEqual(some.told, [...before.slice(1), ...then]);
  assert.deepEqual(one.told, ['CREATED a 1', 'UPDATED a 3', 'KIND_SYNCED', 'UPDATED a 4', 'UPDATED a 5']);
  assert.deepEqual(later.told, ['KIND_SYNCED', ...then]);
  assert.deepEqual(
    all.revisions,
    all.revisions.toSorted((a, b) => Number(a - b)),
  );
  for (const follower of [all, some, one, later]) await follower.stop();
});

test('changes that are no longer stored are reported as trimmed, in their place', async () => {
  await using running = await controller('--history.versions', '2', '--history.deleted_entries', '1');
  for (const owner of ['1', '2', '3', '4']) await update(running, 'a', owner);
  for (const id of ['x', 'y', 'z']) {
    await update(running, id, '1');
    await running.api.call('EntryService', 'DeleteEntry', { name: `entries/${id}` });
  }
  const { told, stop } = follow(running, { from_revision: '1' });
  await eventually(() => assert.equal(told.at(-1), 'KIND_SYNCED'));
  const expected = ['KIND_TRIMMED', 'KIND_TRIMMED a', 'UPDATED a 3', 'UPDATED a 4', 'CREATED z 1', 'DELETED z 1'];
  assert.deepEqual(told, [...expected, 'KIND_SYNCED']);
  await stop();
});

test('followers miss nothing during a restart and a compaction of etcd, nor after a long pause in reading', async () => {
  await using dir = await tempDir('changes');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const client = new Etcd3({ hosts: etcd.endpoint });
  try {
    const prefix = newPrefix();
    const settings = ['--history.versions', '1000', '--lease-ttl', '60s'];
    await using sleeper = await startController(etcd.endpoint, prefix, ...settings);
    await using other = await startController(etcd.endpoint, prefix, ...settings);
    await eventually(() => update(other, 'a', 'first'));
    const { told, stop } = follow(sleeper, { from_revision: '1' });
    await eventually(() => assert.equal(told.at(-1), 'KIND_SYNCED'));
    process.kill(sleeper.process.pid, 'SIGSTOP');
    for (let round = 0; round < 50; round++) await update(other, 'a', `${round}`);
    const { header } = await client.getAll().prefix(prefix).exec();
    await etcd.kill('SIGKILL');
    await etcd.start();
    await eventually(() => client.kv.compact({ revision: header.revision, physical: true }));
    process.kill(sleeper.process.pid, 'SIGCONT');
    const rounds = Array.from({ length: 50 }, (_, round) => `UPDATED a ${round}`);
    const whole = ['CREATED a first', 'KIND_SYNCED', ...rounds];
    await eventually(() => assert.deepEqual(told, whole), { timeoutMs: 30_000 });
    await eventually(() => update(other, 'a', 'last'));
    await eventually(() => assert.deepEqual(told, [...whole, 'UPDATED a last']), { timeoutMs: 30_000 });
    await stop();
  } finally {
    client.close();
    await etcd.stop();
  }
});
