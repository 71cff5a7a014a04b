import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { startEtcd } from '../../../stack/etcd.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { good } from '../../support/entry-history.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';
import { tempDir } from '../../support/temp-dir.ts';

const PATIENCE = { timeoutMs: 30_000 };
const LOST = /etcd has no entries and never had any, but the agent collects some/;

const create = ({ api }: RunningController, id: string) =>
  api.call('EntryService', 'CreateEntry', { entry_id: id, entry: good });

async function waitForError({ api }: RunningController, id: string, expected: RegExp): Promise<void> {
  await eventually(async () => {
    const { liveness, error } = await api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
    assert.equal(liveness, 'LIVENESS_LIVE');
    assert.match(error, expected);
  }, PATIENCE);
}

test('agents keep their entries while etcd is empty, and take those that are then applied', async () => {
  await using dir = await tempDir('emptied');
  await using stack = new AsyncDisposableStack();
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  stack.defer(() => etcd.stop());
  const controller = stack.use(await startController(etcd.endpoint, newPrefix(), '--lease-ttl', '3s'));
  const { etag } = await create(controller, 'app');
  const connected = stack.use(new SimulatedAgent('connected', [controller.address]));
  await eventually(() => assert.deepEqual(connected.applied, { 'entries/app': etag }));
  await etcd.stop();
  await rm(dir.at('etcd/data'), { recursive: true });
  await etcd.start();
  const former = connected.collector.entries;
  const restarted = stack.use(new SimulatedAgent('restarted', [controller.address], { former }));
  for (const agent of [connected, restarted]) {
    await waitForError(controller, agent.id, LOST);
    assert.deepEqual(agent.applied, { 'entries/app': etag });
  }
  await controller.process.logged('agents have entries that etcd never had');
  const { etag: next } = await create(controller, 'next');
  for (const agent of [connected, restarted]) {
    await eventually(() => assert.deepEqual(agent.applied, { 'entries/next': next }), PATIENCE);
    await waitForError(controller, agent.id, /^$/);
  }
});

test('agents keep their entries at a controller with another prefix, which has never had any', async () => {
  await using stack = new AsyncDisposableStack();
  const etcd = await sharedEtcd();
  const right = stack.use(await startController(etcd, newPrefix()));
  const wrong = stack.use(await startController(etcd, newPrefix()));
  const { etag } = await create(right, 'app');
  const before = new SimulatedAgent('web-1', [right.address]);
  await eventually(() => assert.deepEqual(before.applied, { 'entries/app': etag }));
  await before.stop();
  const after = stack.use(new SimulatedAgent('web-1', [wrong.address], { former: before.collector.entries }));
  await waitForError(wrong, 'web-1', LOST);
  assert.deepEqual(after.applied, { 'entries/app': etag });
});

test('agents stop when the last entry of a fleet is deleted, also if they were away', async () => {
  await using stack = new AsyncDisposableStack();
  const controller = stack.use(await startController(await sharedEtcd(), newPrefix()));
  const { etag } = await create(controller, 'app');
  const connected = stack.use(new SimulatedAgent('connected', [controller.address]));
  const away = new SimulatedAgent('away', [controller.address]);
  for (const agent of [connected, away])
    await eventually(() => assert.deepEqual(agent.applied, { 'entries/app': etag }));
  await away.stop();
  await controller.api.call('EntryService', 'DeleteEntry', { name: 'entries/app' });
  const former = away.collector.entries;
  const returned = stack.use(new SimulatedAgent('away', [controller.address], { former }));
  for (const agent of [connected, returned]) await eventually(() => assert.deepEqual(agent.applied, {}));
});
