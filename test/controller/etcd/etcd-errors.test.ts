import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { freePort } from '../../../stack/free-port.ts';

test('a write that etcd never got says that nothing was written; a read says only what to do', async () => {
  const endpoints = [`http://127.0.0.1:${await freePort()}`];
  const client = new EtcdClient({ endpoints, tls: undefined, user: undefined });
  try {
    const remedy = 'check it with `etcdctl endpoint health`, then try again';
    const isRefused = (text: string) => (error: Error) => {
      assert.match(error.message, /^etcd does not respond \(No connection established\..*ECONNREFUSED/);
      assert.ok(error.message.endsWith(`)${text}: ${remedy}`), error.message);
      return true;
    };
    await assert.rejects(client.put('key', 'value'), isRefused(', and nothing was written'));
    await assert.rejects(client.get('key'), isRefused(''));
  } finally {
    client.close();
  }
});
