import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startAgent } from '../../support/agents.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { runCommand } from '../../support/run-command.ts';
import { sharedEtcd, sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';

const controller = async () => startController(await sharedEtcd(), newPrefix());

test('describe shows an agent with its entries and files, and get lists it', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  await writeFile(dir.at('a.log'), 'one\ntwo\n');
  const kafka = await sharedKafka();
  const options = { controller: running.address, kafka, state: dir.at('state'), labels: { env: 'prod' } };
  await using agent = startAgent({ id: 'web-1', ...options });
  await agent.logged('connected to the controller');
  await run(['apply', '-f', '-'], `{name: app, paths: ["${dir.at('*.log')}"], topic: no-such-topic, start: beginning}`);
  await eventually(async () => {
    const { stdout } = await run(['describe', 'agent', 'web-1']);
    assert.match(stdout, /^Name: +web-1\nStatus: +Failing\n/);
    assert.match(stdout, /Labels: +agent=web-1,env=prod,host=\S+,os=linux\n/);
    assert.match(stdout, /Entries:\n {2}NAME +STATE .*\n {2}app +(Failed|Applying) /);
    assert.match(stdout, new RegExp(`Files:\\n  PATH .*\\n  ${dir.at('a.log')} +app +Reading +\\d+s +0 +8 +8 B `));
  });
  await rename(dir.at('a.log'), dir.at('a.old'));
  await eventually(async () => {
    const { stdout } = await run(['describe', 'agent', 'web-1']);
    const states = stdout.slice(stdout.indexOf('File states:'));
    assert.match(states, /^File states:\n {2}PATH .*\n {2}\/\S+a.log +\S+Z +reading +its file was opened\n/);
    assert.match(states, /\n +\S+Z +draining +it was found at no path of the entry: it was renamed or deleted\n/);
  });
  const { stdout } = await run(['get', 'agents', '-l', 'env=prod']);
  assert.match(stdout, /^NAME +STATUS +HOST .*\nweb-1 +Failing /);
  assert.equal((await run(['get', 'agents', '-l', 'env=stage'])).stderr, 'No agents found.\n');
  const { agents } = JSON.parse((await run(['get', 'agents', '-o', 'json'])).stdout);
  assert.deepEqual([agents[0].name, agents[0].files[0].path], ['agents/web-1', dir.at('a.log')]);
  assert.match((await run(['describe', 'entry', 'app'])).stdout, /Agents:\n {2}AGENT +STATE .*\n {2}web-1 /);
});
