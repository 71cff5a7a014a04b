import { test } from 'node:test';
import { newPrefix, startController } from '../../support/controllers.ts';
import { sharedEtcd } from '../../support/servers.ts';

test('a controller logs that another one has the same id', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using first = await startController(etcd, prefix, '--id', 'same');
  await using _second = await startController(etcd, prefix, '--id', 'same');
  await first.process.logged('another controller has the same id');
});
