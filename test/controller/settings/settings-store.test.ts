import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { EtcdMirror } from '../../../controller/etcd/etcd-mirror.ts';
import { SettingsStore } from '../../../controller/settings/settings-store.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { newPrefix } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';

const tools = { clock: systemClock, logger: createLogger({ level: 'error', format: 'text' }) };

test('an agent that is paused stays paused when somebody spoils its key in etcd, until the key is gone', async () => {
  const prefix = newPrefix();
  const client = new EtcdClient({ endpoints: [await sharedEtcd()], tls: undefined, user: undefined });
  const mirror = new EtcdMirror(client, prefix, tools);
  const store = new SettingsStore(client, mirror, prefix, tools.logger);
  const stop = new AbortController();
  const running = mirror.run(stop.signal);
  let told = 0;
  store.onChange(() => told++);
  try {
    await eventually(() => assert.deepEqual(store.all(), []));
    await store.update('web-1', (former) => ({ ...former, paused: true }));
    await eventually(() => assert.equal(store.find('web-1')?.paused, true));
    const before = told;
    await client.put(`${prefix}settings/web-1`, 'no JSON');
    await eventually(() => assert.ok(told > before));
    assert.equal(store.find('web-1')?.paused, true);
    const key = `${prefix}settings/web-1`;
    const { revision = 0n } = (await client.get(key)) ?? {};
    await client.transact({ when: [{ key, revision }], puts: [], deletes: [key] });
    await eventually(() => assert.equal(store.find('web-1'), undefined));
  } finally {
    stop.abort();
    await running;
    client.close();
  }
});
