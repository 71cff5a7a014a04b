import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { EtcdMirror } from '../../../controller/etcd/etcd-mirror.ts';
import { Keyspace } from '../../../controller/etcd/keyspace.ts';
import { SettingsRepository } from '../../../controller/settings/settings-repository.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { newPrefix } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';

const tools = { clock: systemClock, logger: createLogger({ level: 'error', format: 'text' }) };

test('a paused agent stays paused when its key in etcd becomes invalid, until the key is deleted', async () => {
  const prefix = newPrefix();
  const client = new EtcdClient({ endpoints: [await sharedEtcd()], tls: undefined, user: undefined });
  const keys = new Keyspace(prefix);
  const mirror = new EtcdMirror(client, keys.current, tools);
  const repository = new SettingsRepository(client, mirror, keys.settings, tools.logger);
  const stop = new AbortController();
  const running = mirror.run(stop.signal);
  let changes = 0;
  repository.onChange(() => changes++);
  try {
    await eventually(() => assert.deepEqual(repository.all(), []));
    await repository.update('web-1', (present) => ({ ...present, paused: true }));
    await eventually(() => assert.equal(repository.find('web-1')?.paused, true));
    const before = changes;
    await client.put(keys.settings.key('web-1'), 'no JSON');
    await eventually(() => assert.ok(changes > before));
    assert.equal(repository.find('web-1')?.paused, true);
    const key = keys.settings.key('web-1');
    const { revision = 0n } = (await client.get(key)) ?? {};
    await client.transact({ conditions: [{ key, revision }], puts: [], deletes: [key] });
    await eventually(() => assert.equal(repository.find('web-1'), undefined));
  } finally {
    stop.abort();
    await running;
    client.close();
  }
});
