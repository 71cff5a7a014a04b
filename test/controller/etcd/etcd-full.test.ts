import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import { AlarmAction, AlarmType, Etcd3 } from 'etcd3';
import { startEtcd } from '../../../stack/etcd.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';
import { tempDir } from '../../support/temp-dir.ts';

const good = { paths: ['/var/log/app/*.log'], topic: 'app' };
const QUOTA_BYTES = 4 * 1024 * 1024;

test('with etcd at its quota, writes fail with the remedy, and reads and streams continue; with space again, writes succeed', async () => {
  await using dir = await tempDir('full');
  await using stack = new AsyncDisposableStack();
  const etcd = await startEtcd({ dataDir: dir.at('etcd'), flags: [`--quota-backend-bytes=${QUOTA_BYTES}`] });
  stack.defer(() => etcd.stop());
  // etcd3's circuit breaker opens when etcd is full.
  const client = new Etcd3({ hosts: etcd.endpoint, faultHandling: { host: () => noop, global: noop } });
  stack.defer(() => client.close());
  const controller = stack.use(await startController(etcd.endpoint, newPrefix(), '--lease-ttl', '3s'));
  const call = (method: string, request: object) => controller.api.call('EntryService', method, { ...request });
  const create = (id: string) => call('CreateEntry', { entry_id: id, entry: good });
  const before = await create('before');
  const early = stack.use(new SimulatedAgent('early', [controller.address]));
  await eventually(() => assert.deepEqual(early.applied, { 'entries/before': before.etag }));

  const filler = Buffer.alloc(256 * 1024);
  await assert.rejects(async () => {
    for (let count = 0; ; count++) await client.put(`filler/${count}`).value(filler);
  }, /database space exceeded/);

  const full = {
    code: status.RESOURCE_EXHAUSTED,
    details: /etcd is full.*etcdctl defrag.*--quota-backend-bytes.*etcdctl alarm disarm/,
  };
  await assert.rejects(create('during'), full);
  await assert.rejects(call('UpdateEntry', { entry: { name: 'entries/before', owner: 'x' } }), full);
  await assert.rejects(call('DeleteEntry', { name: 'entries/before' }), full);
  assert.deepEqual((await call('GetEntry', { name: 'entries/before' })).etag, before.etag);
  assert.equal(early.connections.length, 1);
  const late = stack.use(new SimulatedAgent('late', [controller.address]));
  await eventually(() => assert.match(late.failures.join('\n'), /late can't be claimed now.*etcd is full/));
  // The lease is renewed meanwhile, so connected agents stay connected.
  const { agents } = await controller.api.call('FleetService', 'ListAgents', {});
  assert.deepEqual(
    agents.map(({ name, liveness }: { name: string; liveness: string }) => [name, liveness]),
    [['agents/early', 'LIVENESS_LIVE']],
  );

  await client.delete().prefix('filler/');
  const { header } = await client.get('x').exec();
  await client.kv.compact({ revision: header.revision, physical: true });
  await client.maintenance.defragment();
  const { alarms } = await client.maintenance.alarm({ action: AlarmAction.Get });
  for (const { memberID } of alarms)
    await client.maintenance.alarm({ action: AlarmAction.Deactivate, alarm: AlarmType.Nospace, memberID });
  const after = await create('after');
  for (const agent of [early, late]) {
    await eventually(() => assert.equal(agent.applied['entries/after'], after.etag), { timeoutMs: 30_000 });
    agent.assertEachChangeOnce();
  }
});
