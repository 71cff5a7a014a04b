import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPrefix, startController } from '../../support/controllers.ts';
import { startProcess } from '../../support/process.ts';
import { runCommand } from '../../support/run-command.ts';
import { sharedEtcd } from '../../support/servers.ts';

test('of several controllers the first that serves is used, by flag and by variable', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using running = await startController(etcd, prefix);
  await running.api.call('EntryService', 'CreateEntry', {
    entry: { name: 'entries/a', paths: ['/a.log'], topic: 't' },
  });
  // A controller without etcd listens and can't serve.
  await using alone = startProcess('controller/main.ts', ['--listen', '127.0.0.1:0', '--etcd', '127.0.0.1:1']);
  const { address: withoutEtcd } = (await alone.logged('listening', { timeoutMs: 20_000 })) as { address: string };
  for (const away of ['127.0.0.1:1', 'no-such-host.invalid:7070', withoutEtcd]) {
    const byFlag = await runCommand('', ['--controller', `${away},${running.address}`, 'get', 'entries', '-o', 'name']);
    assert.deepEqual([byFlag.code, byFlag.stdout, byFlag.stderr], [0, 'entry/a\n', ''], away);
  }
  const byVariable = await runCommand(`127.0.0.1:1, ${running.address}`, ['get', 'entries', '-o', 'name']);
  assert.equal(byVariable.stdout, 'entry/a\n');
});

test('when no controller can be reached the reason of each is reported; a malformed address is refused', async () => {
  const { code, stderr } = await runCommand('127.0.0.1:1,no-such-host.invalid:2', ['get', 'entries']);
  assert.equal(code, 3);
  assert.match(
    stderr,
    /^error: none of the controllers can be reached:\n {2}127\.0\.0\.1:1: connection refused; is it running.*\n {2}no-such-host\.invalid:2: the host name can't be resolved; .*\n$/,
  );
  const wrong = await runCommand('127.0.0.1:1,somewhere', ['get', 'entries']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^error: --controller: "somewhere" is not an address: give HOST:PORT, or several/);
});
