import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';

const ENTRIES = 10_000;
/** The most writes in one batch with etcd's default limits. */
const BATCH = 64;
const PATIENCE = { timeoutMs: 60_000 };

test('ten thousand entries are created and listed, and one agent gets each of them once', async () => {
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const call = (method: string, request: Record<string, unknown>) =>
    controller.api.call('EntryService', method, request);
  await using early = new SimulatedAgent('early', [controller.address]);
  for (let at = 0; at < ENTRIES; at += BATCH) {
    const writes = Array.from({ length: Math.min(BATCH, ENTRIES - at) }, (_, index) => ({
      create: { entry_id: `e-${at + index}`, entry: { paths: [`/srv/${at + index}/*.log`], topic: 't' } },
    }));
    await call('BatchApply', { writes });
  }
  const etags: Record<string, string> = {};
  for (let token = ''; ; ) {
    const { entries, next_page_token } = await call('ListEntries', { page_size: 1_000, page_token: token });
    for (const { name, etag } of entries) etags[name] = etag;
    token = next_page_token;
    if (token === '') break;
  }
  assert.equal(Object.keys(etags).length, ENTRIES);
  await using late = new SimulatedAgent('late', [controller.address]);
  for (const agent of [early, late]) {
    await eventually(() => assert.equal(Object.keys(agent.applied).length, ENTRIES), PATIENCE);
    await eventually(() => assert.deepEqual(agent.applied, etags), PATIENCE);
    agent.assertEachChangeOnce();
  }
  await eventually(async () => {
    const { entries } = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/late' });
    assert.equal(entries.length, ENTRIES);
  }, PATIENCE);
});
