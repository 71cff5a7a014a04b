import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { startProcess } from '../../support/process.ts';
import { runCommand, WEB_AND_DB } from '../../support/run-command.ts';
import { sharedEtcd } from '../../support/servers.ts';

const controller = async () => startController(await sharedEtcd(), newPrefix());

test('apply accepts what get prints in WEB_AND_DB or JSON; tables, names and selectors work as in kubectl', async () => {
  await using running = await controller();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  const none = await run(['get', 'entries']);
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'No entries found.\n']);
  await run(['apply', '-f', '-'], WEB_AND_DB);
  for (const output of ['yaml', 'json']) {
    const { stdout } = await run(['get', 'entries', '-o', output]);
    const names = (parseYaml(stdout) as { entries: { name: string }[] }).entries.map(({ name }) => name);
    assert.deepEqual(names, ['db', 'web']);
    assert.equal((await run(['apply', '-f', '-'], stdout)).stdout, 'entry/db unchanged\nentry/web unchanged\n');
    const stale = stdout.replace(/(etag"?: )"?[\w-]+"?/, '$1"1"');
    assert.match((await run(['apply', '-f', '-'], stale)).stdout, /entry\/db unchanged\n/);
    assert.match(
      (await run(['apply', '-f', '-'], stale.replace('role=db', 'role=other'))).stderr,
      /entries\/db has changed since: its etag is \d+-\w+, not 1/,
    );
    const single = (await run(['get', 'entry', 'web', '-o', output])).stdout;
    assert.equal((parseYaml(single) as { topic: string }).topic, 'web');
  }
  const table = (await run(['get', 'entries'])).stdout.split('\n').map((line) => line.split(/ {3,}/));
  assert.deepEqual(table[0], ['NAME', 'TOPIC', 'PATHS', 'SELECTOR', 'PAUSED', 'TOPIC-STATUS', 'AGE']);
  assert.deepEqual(table[1]?.slice(0, 6), ['db', 'db', '/var/log/db/*.log +1', 'role=db', 'no', 'Pending']);
  assert.equal((await run(['get', 'entries', '-l', 'team=a', '-o', 'name'])).stdout, 'entry/web\n');
  assert.equal((await run(['get', 'entry/db', 'entry/web', '-o', 'name'])).stdout, 'entry/db\nentry/web\n');
  assert.match(
    (await run(['get', 'entries', '-o', 'wide'])).stdout,
    /START +COMPRESSION +HEADERS +ENCODING +OWNER +REVISION +UPDATED +LABELS/,
  );
  const described = (await run(['describe', 'entry', 'db'])).stdout;
  assert.match(described, /^Name: +db\n/);
  assert.match(described, /Paths: +\/var\/log\/db\/\*\.log\n +\/srv\/db\.log\n/);
  assert.match(described, /Agents: {2}none has it\n$/);
});

test('get --watch prints each change, such as a pause', async () => {
  await using running = await controller();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  await run(['apply', '-f', '-'], WEB_AND_DB);
  const env = { LOGFLEET_CONTROLLER: running.address };
  await using watch = startProcess('cli/main.ts', ['get', 'entries', '-w'], env);
  await eventually(() => assert.match(watch.stdout(), /^NAME.*\ndb .*\nweb .*\n$/));
  assert.equal((await run(['pause', 'entry', 'web'])).stdout, 'entry/web paused\n');
  await eventually(() => assert.match(watch.stdout(), /\nweb +web +\S+ +<all> +yes .*\n$/));
  assert.equal((await run(['resume', 'entry/web'])).stdout, 'entry/web resumed\n');
  await eventually(() => assert.match(watch.stdout(), /\nweb +web +\S+ +<all> +no .*\n$/));
  await run(['delete', 'entry', 'web']);
  await eventually(() => assert.match(watch.stdout(), /\nentry\/web deleted\n$/));
});
