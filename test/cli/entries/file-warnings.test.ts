import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  type FleetFixture,
  waitUntilAcknowledged,
} from '../../support/fleet-fixture.ts';
import { type CommandResult, runCommand } from '../../support/run-command.ts';
import { newTopic } from '../../support/topics.ts';

const NOBODY = 65_534;
/** On a loaded machine an agent may miss the time for a check: then it is repeated. */
const PATIENCE = { timeoutMs: 60_000 };

type Content = Record<string, unknown> & { name: string };

/** Applies the entries until the warnings are these, each time as new entries. */
async function assertWarnings(
  { controller }: FleetFixture,
  entries: readonly Content[],
  warnings: readonly string[],
  ...more: string[]
): Promise<CommandResult> {
  const input = JSON.stringify({ entries: entries.map((entry) => ({ topic: 'unused', ...entry })) });
  return eventually(async () => {
    const applied = await runCommand(controller.address, ['apply', '-f', '-', ...more], { input });
    if (!more.includes('--dry-run')) await runCommand(controller.address, ['delete', '-f', '-'], { input });
    assert.deepEqual(
      applied.stderr.split('\n').filter(Boolean).sort(),
      warnings.map((text) => `warning: ${text}`).sort(),
    );
    const dry = more.includes('--dry-run') ? ' (dry run)' : '';
    assert.equal(applied.stdout, entries.map(({ name }) => `entry/${name} created${dry}\n`).join(''));
    assert.equal(applied.code, 0);
    return applied;
  }, PATIENCE);
}

test('apply warns of paths that match no readable file on any agent that responded, and exits with 0', async () => {
  await using on = await createFleet();
  const { dir } = on;
  await mkdir(dir.at('state-web-1'));
  for (const folder of [dir.path, dir.at('state-web-1')]) await chmod(folder, 0o777);
  await using first = agentOf(on, 'web-1', { uid: NOBODY });
  await using second = agentOf(on, 'web-2', { labels: { env: 'prod' } });
  await Promise.all([first, second].map((agent) => agent.logged('connected to the controller')));
  await writeFile(dir.at('a.log'), 'one\n');
  await writeFile(dir.at('secret'), 'one\n', { mode: 0o000 });
  const topic = newTopic();
  const entries = [
    { name: 'found', paths: [dir.at('*.log')], topic },
    { name: 'misspelt', paths: [dir.at('*.lgo')] },
    { name: 'prod', paths: [dir.at('none', '*.log')], selector: 'env=prod' },
    { name: 'denied', paths: [dir.at('secret')], selector: 'agent=web-1' },
  ];
  const warnings = [
    'entry/misspelt: paths match no readable file on any agent that responded (2 of 2)',
    'entry/prod: paths match no readable file on any agent that responded (1 of 1)',
    `entry/denied: paths match no readable file on any agent that responded (1 of 1); not read: ${dir.at('secret')} on web-1: EACCES: permission denied, open '${dir.at('secret')}'`,
  ];
  for (const more of [['--dry-run'], []]) await assertWarnings(on, entries, warnings, ...more);
});

test('apply checks only entries that are new or have other files or another topic', async () => {
  await using on = await createFleet();
  const { dir, controller } = on;
  await using agent = agentOf(on, 'web-1');
  await agent.logged('connected to the controller');
  const entry = { name: 'app', paths: [dir.at('*.log')], topic: newTopic() };
  const apply = async (more: object) => {
    const { stdout, stderr } = await runCommand(controller.address, ['apply', '-f', '-'], {
      input: JSON.stringify({ ...entry, ...more }),
    });
    return [stdout, stderr];
  };
  const warning = /^warning: (entry\/app: paths match no|no agent could check the paths of app)/;
  assert.match((await apply({})).join(''), /^entry\/app created\nwarning: /);
  assert.deepEqual(await apply({}), ['entry/app unchanged\n', '']);
  assert.deepEqual(await apply({ owner: 'ann' }), ['entry/app configured (owner)\n', '']);
  const [stdout, stderr] = await apply({ owner: 'ann', paths: [dir.at('*.txt')] });
  assert.equal(stdout, 'entry/app configured (paths)\n');
  assert.match(stderr ?? '', warning);
});

test('apply warns of entries that send the same files to the same topic, whether an agent collects them or both are new', async () => {
  await using on = await createFleet();
  const { dir, controller } = on;
  await using first = agentOf(on, 'web-1');
  await using second = agentOf(on, 'web-2');
  await Promise.all([first, second].map((agent) => agent.logged('connected to the controller')));
  await writeFile(dir.at('a.log'), 'one\n');
  const topic = newTopic();
  const paths = [dir.at('*.log')];
  const entry = { paths, topic, selector: 'agent=web-1' };
  const created = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'old', entry });
  await waitUntilAcknowledged(on, 'web-1', created);
  await eventually(async () => assert.equal((await agentStatus(on, 'web-1')).files.length, 1));
  const entries = [
    { name: 'one', paths: [dir.at('a.*')], topic },
    { name: 'two', paths, topic, selector: 'agent=web-2' },
    { name: 'other', paths, topic: newTopic() },
  ];
  const effect = `send the same files to topic ${topic}, so each line is duplicated there`;
  const warnings = [
    `entry/old and entry/one ${effect}: on 1 agent, such as ${dir.at('a.log')} on web-1`,
    `entry/one and entry/two ${effect}: on 1 agent, such as ${dir.at('a.log')} on web-2`,
  ];
  for (const more of [['--dry-run'], []]) await assertWarnings(on, entries, warnings, ...more);

  // The entry that the agent still collects gets another topic in the same apply.
  const input = JSON.stringify({ entries: [{ ...entry, name: 'old', topic: newTopic() }, entries[0]] });
  await eventually(async () => {
    const moved = await runCommand(controller.address, ['apply', '-f', '-', '--dry-run'], { input });
    assert.deepEqual(moved, {
      ...{ code: 0, stderr: '' },
      stdout: 'entry/old configured (topic) (dry run)\nentry/one created (dry run)\n',
    });
  }, PATIENCE);
});

test('apply says which paths no agent could check, and how many entries are beyond its limit', async () => {
  await using on = await createFleet();
  const { dir } = on;
  await using agent = agentOf(on, 'web-1', { labels: { env: 'prod' } });
  await using gone = agentOf(on, 'web-2', { labels: { env: 'test' } });
  await Promise.all([agent, gone].map((one) => one.logged('connected to the controller')));
  await gone.kill('SIGTERM');
  await writeFile(dir.at('a.log'), 'one\n');
  const paths = [dir.at('*.log')];
  const away = ['a', 'b'].map((name) => ({ name, paths, topic: newTopic(), selector: 'env=test' }));
  const many = Array.from({ length: 28 }, (_, index) => ({
    name: `e${index}`,
    paths,
    topic: newTopic(),
    selector: 'env=prod',
  }));
  await assertWarnings(
    on,
    [...away, ...many],
    [
      'no agent could check the paths of a, b: 1 agent is not connected',
      'the paths of 10 of 30 changed entries were not checked: apply checks at most 20; use logfleet preview',
    ],
    '--dry-run',
  );
});

test('apply does not wait for an agent that hangs, and says that nobody checked the paths', async () => {
  await using on = await createFleet();
  const { dir, controller } = on;
  await using agent = agentOf(on, 'web-1');
  await agent.logged('connected to the controller');
  process.kill(agent.pid, 'SIGSTOP');
  const input = JSON.stringify({ name: 'app', paths: [dir.at('*.log')], topic: newTopic() });
  const { code, stdout, stderr } = await runCommand(controller.address, ['apply', '-f', '-'], { input });
  assert.deepEqual([code, stdout], [0, 'entry/app created\n']);
  assert.match(stderr, /^warning: no agent could check the paths of app: [^\n]+\n$/);
});
