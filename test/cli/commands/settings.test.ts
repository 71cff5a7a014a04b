import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  type FleetFixture,
  waitUntilAcknowledged,
  waitUntilDelivered,
} from '../../support/fleet-fixture.ts';
import { runProcess } from '../../support/process.ts';
import { runCommand } from '../../support/run-command.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { newTopic } from '../../support/topics.ts';

const cliOf =
  ({ controller }: FleetFixture) =>
  (...args: string[]) =>
    runProcess('cli/main.ts', ['--controller', controller.address, '--author', 'ann', ...args]);

test('pause, resume, limit and drain change the settings of an agent, and get and describe show them', async () => {
  await using on = await createFleet();
  const { controller, dir } = on;
  const cli = cliOf(on);
  const topic = newTopic();
  await using _agent = agentOf(on, 'a');
  await writeFile(dir.at('a.log'), 'one\n');
  const rules = { paths: [dir.at('*.log')], topic, start: 'beginning' };
  const entry = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  await waitUntilAcknowledged(on, 'a', entry);
  await waitUntilDelivered(on, topic, 1);
  assert.equal((await cli('get', 'settings')).stderr, 'No settings found.\n');
  const paused = await cli('pause', 'entry', 'app', 'none', '--agent', 'a', '--reason', 'noise');
  assert.equal(paused.stdout, 'entry/app paused on a\nentry/none paused on a\n');
  assert.equal(paused.stderr, 'warning: there is no entries/none: it will be paused once it exists\n');
  await waitUntilAcknowledged(on, 'a', entry, 'STATE_PAUSED');
  assert.equal(
    (await cli('limit', 'agent', 'a', '5MiB', '--reason', 'slow link')).stdout,
    'agent/a limited to 5.0 MiB/s\n',
  );
  assert.match((await cli('get', 'settings')).stdout, /^a +app,none +5\.0 MiB\/s +no +ann\? +\ds +slow link$/m);
  const described = (await cli('describe', 'agent', 'a')).stdout;
  assert.match(described, /^Settings: +paused: app,none, at most 5\.0 MiB\/s \(ann\?, \d+s ago: slow link\)$/m);
  assert.equal((await cli('resume', 'entry', 'none', '--agent', 'a')).stdout, 'entry/none resumed on a\n');
  const resumed = await cli('resume', 'agent', 'a');
  assert.equal(resumed.stdout, 'agent/a resumed\n');
  assert.equal(resumed.stderr, 'entries are still paused on it; see logfleet resume entry app --agent a\n');
  await appendFile(dir.at('a.log'), 'half');
  await cli('resume', 'entry', 'app', '--agent', 'a');
  const drained = await cli('drain', 'agent', 'a', '--wait', '--timeout', '30s');
  assert.deepEqual(
    [drained.code, drained.stdout],
    [0, 'agent/a drained, and 4 B left: see logfleet describe agent a\n'],
    drained.stderr,
  );
  assert.match((await cli('describe', 'agent', 'a')).stdout, /^Drain: +Drained, 4 B left$/m);
  await cli('resume', 'agent', 'a');
  await waitUntilAcknowledged(on, 'a', entry);
  assert.equal((await cli('limit', 'agent', 'a', 'none')).stdout, 'agent/a not limited\n');
  const limited = await cli('limit', 'entry', 'app', '1.5KiB');
  assert.equal(limited.stdout, 'entry/app limited to 1.5 KiB/s on each agent\n');
  await eventually(async () => assert.equal((await agentStatus(on, 'a')).health.settings_etag, ''));
  const shown = await cli('get', 'entry', 'app', '-o', 'yaml');
  assert.match(shown.stdout, /^max_bytes_per_second: 1536$/m);
  await writeFile(dir.at('app.yaml'), shown.stdout);
  assert.equal((await cli('apply', '-f', dir.at('app.yaml'))).stdout, 'entry/app unchanged\n');
});

test('a drain that times out reports what it waits for, and invalid input is refused with a remedy', async () => {
  await using on = await createFleet();
  const { controller, dir } = on;
  const cli = cliOf(on);
  await using _agent = agentOf(on, 'a');
  await writeFile(dir.at('a.log'), 'one\n');
  const rules = { paths: [dir.at('*.log')], topic: newTopic(), start: 'beginning', max_bytes_per_second: 1_024 };
  await writeFile(dir.at('a.log'), `${'x'.repeat(99)}\n`.repeat(10_000));
  const entry = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  await waitUntilAcknowledged(on, 'a', entry);
  const late = await cli('drain', 'agent', 'a', '--wait', '--timeout', '2s');
  assert.equal(late.code, 1);
  assert.match(late.stderr, /agent\/a is not drained after 2 s: 1 file to be delivered/);
  const both = await cli('pause', 'agent', 'a');
  assert.match(both.stderr, /settings\.draining: a paused agent cannot be drained.*resume it first/);
  for (const [args, error] of [
    [['limit', 'agent', 'a', 'much'], /such as 512KiB or 5MiB, or none/],
    [['limit', 'agent', 'a', '100'], /settings\.max_bytes_per_second: 100 is out of range: use 1024 to/],
    [['limit', 'entry', 'app', '100'], /max_bytes_per_second: 100 is out of range/],
    [['pause', 'agent', 'a', '--agent', 'b'], /name agents, or name entries and optionally --agent/],
    [['drain', 'entry', 'app'], /"entry" does not fit this command: give agents/],
    [['get', 'settings', '-w'], /--watch can be given for entries or agents, not for settings/],
  ] as const)
    assert.match((await cli(...args)).stderr, error, args.join(' '));
});

test('drain, pause and limit refuse an agent that does not exist, unless --allow-missing is given', async () => {
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const cli = (...args: string[]) => runCommand(controller.address, args);
  for (const args of [
    ['drain', 'agent', 'web-71'],
    ['drain', 'agent', 'web-71', '--wait'],
    ['pause', 'agent', 'web-71'],
    ['resume', 'agent', 'web-71'],
    ['pause', 'entry', 'app', '--agent', 'web-71'],
    ['limit', 'agent', 'web-71', '5MiB'],
    ['loglevel', 'agent', 'web-71', 'debug'],
  ]) {
    const { code, stdout, stderr } = await cli(...args);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.match(stderr, /^error: there is no agents\/web-71/);
    if (args[0] !== 'loglevel') assert.match(stderr, /: check the id, or .*--allow-missing/);
  }
  assert.equal((await cli('get', 'settings', '-o', 'name')).stdout, '');
  const warning = 'warning: agent web-71 has never connected: the settings apply once it does\n';
  const drained = await cli('drain', 'agent', 'web-71', '--allow-missing');
  assert.deepEqual(drained, { code: 0, stdout: 'agent/web-71 draining\n', stderr: warning });
  const limited = await cli('limit', 'agent', 'web-71', '5MiB');
  assert.deepEqual(limited, { code: 0, stdout: 'agent/web-71 limited to 5.0 MiB/s\n', stderr: warning });
  assert.equal((await cli('resume', 'agent', 'web-71')).code, 0, 'an agent with settings exists');
  const waiting = await cli('drain', 'agent', 'web-71', '--wait');
  const refusal = 'error: there is no agents/web-71: check the id, or give --allow-missing instead of --wait\n';
  assert.deepEqual(waiting, { code: 1, stdout: '', stderr: refusal });
  const { draining } = await controller.api.call('FleetService', 'GetAgentSettings', {
    name: 'agents/web-71/settings',
  });
  assert.equal(draining, false, 'a drain that nobody can wait for is not begun');
  for (const [args, error] of [
    [['pause', 'entry', 'app'], /--allow-missing is for agents: name an agent, or leave it out/],
    [['limit', 'entry', 'app', '5MiB'], /--allow-missing is for agents: name an agent, or leave it out/],
    [['drain', 'agent', 'web-72', '--wait'], /'--allow-missing' cannot be used with option '--wait'/],
  ] as const) {
    const { code, stderr } = await cli(...args, '--allow-missing');
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, error);
  }
});

test('delete --dry-run deletes nothing, and diff --prune shows what apply --prune deletes', async () => {
  await using on = await createFleet();
  const { controller, dir } = on;
  const cli = cliOf(on);
  for (const entry_id of ['kept', 'gone', 'foreign']) {
    const labels = { by: entry_id === 'foreign' ? 'hand' : 'git' };
    const entry = { paths: [`/var/log/${entry_id}`], topic: 't', labels };
    await controller.api.call('EntryService', 'CreateEntry', { entry_id, entry });
  }
  const dry = await cli('delete', 'entry', 'gone', 'none', '--dry-run');
  assert.deepEqual(
    [dry.code, dry.stdout, dry.stderr],
    [1, 'entry/gone deleted (dry run)\n', 'error: there is no entries/none\n'],
  );
  await mkdir(dir.at('entries'));
  const kept = await cli('get', 'entry', 'kept', '-o', 'yaml');
  await writeFile(dir.at('entries', 'kept.yaml'), kept.stdout);
  const files = ['-f', dir.at('entries')];
  const plain = await cli('diff', ...files);
  assert.deepEqual([plain.code, plain.stdout], [0, '']);
  const pruning = await cli('diff', ...files, '--prune', '-l', 'by=git');
  assert.equal(pruning.code, 1);
  assert.match(pruning.stdout, /^--- entries\/gone at revision \d+\n\+\+\+ \/dev\/null\n/);
  assert.match(pruning.stdout, /^-name: gone$/m);
  assert.doesNotMatch(pruning.stdout, /kept|foreign/);
  assert.match((await cli('diff', ...files, '--prune')).stderr, /--prune needs -l/);
  const stray = await cli('diff', ...files, '--prune', '-l', 'by=hand');
  assert.match(stray.stderr, /kept\.yaml:1: labels: "by=hand" does not match them/);
  const applied = await cli('apply', ...files, '--prune', '-l', 'by=git');
  assert.match(applied.stdout, /^entry\/gone pruned$/m);
  assert.equal((await cli('get', 'entries', '-o', 'name')).stdout, 'entry/foreign\nentry/kept\n');
});
