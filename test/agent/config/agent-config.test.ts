import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';

/** A new UTS namespace, in which root may change the host's name: uts_namespaces(7). */
const canRename = spawnSync('unshare', ['--uts', 'true']).status === 0;
const skip = canRename ? false : 'only root can rename a host';

function runOn(host: string, program: string, ...args: string[]) {
  const script = 'printf %s "$0" > /proc/sys/kernel/hostname && exec "$@"';
  const command = [process.execPath, program, ...args];
  return spawnSync('unshare', ['--uts', 'sh', '-c', script, host, ...command], { encoding: 'utf8' });
}

test('the default ids of agent and controller are valid, whatever the host is named', { skip }, () => {
  for (const host of ['WEB_01', 'web-1.', '-web', 'a'.repeat(64)]) {
    const agent = runOn(host, 'agent/main.ts', '--print-config', '--kafka', 'a:1', '--controller', 'b:1');
    assert.match(agent.stdout, /^id: (web-01|web-1|web|a{64})$/m, agent.stderr);
    const controller = runOn(host, 'controller/main.ts', '--print-config');
    assert.match(controller.stdout, /^id: (web-01|web-1|web|a{64})-[0-9a-f]{6}$/m, controller.stderr);
  }
});

test('an agent on a host whose name makes no id does not start, and the error names --id', { skip }, () => {
  const args = ['agent/main.ts', '--print-config', '--kafka', 'a:1', '--controller', 'b:1'];
  const refused = runOn('___', ...(args as [string]));
  assert.equal(refused.status, 2, refused.stdout);
  assert.match(refused.stderr, /id: the host name "___" has nothing to make an id from: set --id to/);
  assert.equal(runOn('___', ...(args as [string]), '--id', 'web-1').status, 0);
});

test('an invalid id is refused with the rule', () => {
  const args = ['agent/main.ts', '--print-config', '--kafka', 'a:1', '--controller', 'b:1', '--id', 'WEB_01'];
  assert.throws(
    () => execFileSync(process.execPath, args, { stdio: 'pipe' }),
    /id \(--id\): "WEB_01" is not an agent's id: set --id to 1 to 253 of a-z/,
  );
});
