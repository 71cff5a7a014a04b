import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyTemplate } from '../../../cli/import/key-template.ts';

test('a placeholder for the host, in any syntax, stands for one part of the key', () => {
  for (const key of ['/logagent/%s/conf', '/logagent/$' + '{ip}/conf', '/logagent/{ip}/conf', '/logagent/*/conf']) {
    const { prefix, isExact, hostOf } = keyTemplate(key, false);
    assert.deepEqual([prefix, isExact, hostOf('/logagent/10.0.0.1/conf')], ['/logagent/', false, '10.0.0.1'], key);
    for (const other of [
      '/logagent/a/b/conf',
      '/logagent//conf',
      '/logagent/a/config',
      '/other/a/conf',
      '/logagent/conf',
    ])
      assert.equal(hostOf(other), undefined, `${key}: ${other}`);
  }
  assert.equal(keyTemplate('collect_log_%s_conf', false).hostOf('collect_log_web-1_conf'), 'web-1');
  assert.throws(() => keyTemplate('/%s/%s', false), /more than one placeholder for the host/);
});

test('a key without a placeholder is for all hosts, or with hostFromKey for the host that it names', () => {
  assert.equal(keyTemplate('/logagent/10.0.0.1/conf', false).hostOf('/logagent/10.0.0.1/conf'), '');
  const named = (key: string) => keyTemplate(key, true).hostOf(key);
  assert.equal(named('/logagent/10.0.0.1/conf'), '10.0.0.1');
  assert.equal(named('collect_log_192.168.1.5_conf'), '192.168.1.5');
  assert.equal(named('/logagent/config/web-17'), 'web-17');
});
