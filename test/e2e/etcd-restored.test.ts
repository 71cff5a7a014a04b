import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { startEtcd } from '../../stack/etcd.ts';
import { startAgent } from '../support/agents.ts';
import { newPrefix, type RunningController, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { newTopic, readTopic } from '../support/topics.ts';

/** Enough for what controllers write by themselves before the entry is changed. */
const SPARE_REVISIONS = 200;
const PATIENCE = { timeoutMs: 60_000 };

// F4 (etcd#16028, etcd#14303): after a restore etcd counts from the backup's revision on.
test('after etcd was restored and has reached the same revision by another change, agents and controllers have that change', async () => {
  const kafka = await sharedKafka();
  await using dir = await tempDir('restored');
  await using stack = new AsyncDisposableStack();
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  stack.defer(() => etcd.stop());
  const prefix = newPrefix();
  const start = () => startController(etcd.endpoint, prefix, '--kafka', kafka.join(','), '--lease-ttl', '60s');
  const sleeper = stack.use(await start());
  const other = await start();
  const [kept, undone, right] = [newTopic(), newTopic(), newTopic()];
  const rates: Record<string, number> = { [kept]: 1_024, [undone]: 2_048, [right]: 4_096 };
  const setTopic = async ({ api }: RunningController, topic: string) => {
    const entry = { name: 'entries/app', topic, paths: [dir.at('*.log')], start: 'beginning' };
    const { etag } = await api.call('EntryService', 'UpdateEntry', { entry, allow_missing: true });
    const settings = { name: 'agents/web-1/settings', max_bytes_per_second: rates[topic] };
    const update = { settings, change_reason: topic, allow_missing: true };
    return { entry: etag, settings: (await api.call('FleetService', 'UpdateAgentSettings', update)).settings.etag };
  };
  const agentOf = (controller: RunningController) =>
    startAgent({ id: 'web-1', controller: controller.address, kafka, state: dir.at('state') });
  const applied = async ({ api }: RunningController) => {
    const { entries, health } = await api.call('FleetService', 'GetAgent', { name: 'agents/web-1' });
    return { entry: entries[0]?.etag, settings: health?.settings_etag, state: entries[0]?.state };
  };

  await setTopic(other, kept);
  await etcd.stop();
  await cp(dir.at('etcd/data'), dir.at('backup'), { recursive: true });
  await etcd.start();
  const client = new Etcd3({ hosts: etcd.endpoint });
  stack.defer(() => client.close());
  const put = async () => BigInt((await client.put('filler').value('x').exec()).header.revision);
  for (let count = 0; count < SPARE_REVISIONS; count++) await eventually(put);
  const first = await eventually(() => setTopic(other, undone), PATIENCE);
  const agent = agentOf(sleeper);
  await eventually(
    async () => assert.deepEqual(await applied(sleeper), { ...first, state: 'STATE_APPLIED' }),
    PATIENCE,
  );
  await agent.kill('SIGTERM');

  process.kill(sleeper.process.pid, 'SIGSTOP');
  await other[Symbol.asyncDispose]();
  await etcd.stop();
  await rm(dir.at('etcd/data'), { recursive: true });
  await cp(dir.at('backup'), dir.at('etcd/data'), { recursive: true });
  await etcd.start();
  const restarted = stack.use(await start());
  const revisionOf = (etag: string) => BigInt(etag.split('-')[0] ?? '');
  while ((await eventually(put, PATIENCE)) < revisionOf(first.entry) - 1n);
  const second = await setTopic(restarted, right);
  assert.equal(revisionOf(second.entry), revisionOf(first.entry), 'the revision is reached again');
  assert.equal(revisionOf(second.settings), revisionOf(first.settings), 'the revision is reached again');

  process.kill(sleeper.process.pid, 'SIGCONT');
  for (const controller of [sleeper, restarted])
    await eventually(async () => {
      const entry = await controller.api.call('EntryService', 'GetEntry', { name: 'entries/app' });
      const settings = await controller.api.call('FleetService', 'GetAgentSettings', { name: 'agents/web-1/settings' });
      assert.deepEqual([entry.topic, entry.etag], [right, second.entry]);
      assert.deepEqual([settings.reason, settings.etag], [right, second.settings]);
    }, PATIENCE);
  const returned = agentOf(sleeper);
  stack.defer(() => returned.kill('SIGKILL'));
  await eventually(
    async () => assert.deepEqual(await applied(restarted), { ...second, state: 'STATE_APPLIED' }),
    PATIENCE,
  );
  appendFileSync(dir.at('a.log'), 'a line\n');
  await eventually(async () => {
    const values = (await readTopic(kafka, right)).map(({ value }) => String(value));
    assert.deepEqual(values, ['a line']);
  }, PATIENCE);
});
