import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { agentOf, agentStatus, createFleet, type FleetFixture, waitUntilDelivered } from '../support/fleet-fixture.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { createTopic, newTopic } from '../support/topics.ts';

const AGENTS = ['web-1', 'web-2', 'web-3'];

function logfleet({ controller }: FleetFixture, ...args: string[]) {
  return runProcess('cli/main.ts', ['--controller', controller.address, '--author', 'ann', ...args]);
}

/** A file for `apply` with an entry `app` that matches all files of the fixture's folder. */
async function entryFile({ dir }: FleetFixture, topic: string, more = ''): Promise<string> {
  const file = dir.at('app.yaml');
  await writeFile(file, `{name: app, paths: ["${dir.at('*.log')}"], start: beginning, topic: ${topic}${more}}\n`);
  return file;
}

const lines = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `line ${from + index}\n`).join('');

test('a rollout halts at the first agent whose topic Kafka refuses, and other agents deliver; after the undo no line is lost or doubled', async () => {
  await using on = await createFleet();
  const { dir, kafka } = on;
  await using first = agentOf(on, 'web-1');
  await using second = agentOf(on, 'web-2');
  await using third = agentOf(on, 'web-3');
  await Promise.all([first, second, third].map((agent) => agent.logged('connected to the controller')));
  await writeFile(dir.at('a.log'), lines(0, 10));
  const topic = `${newTopic()}.x`;
  await createTopic(kafka, 1, { name: topic });
  const applied = await logfleet(on, 'apply', '-f', await entryFile(on, topic), '--wait');
  assert.deepEqual([applied.code, applied.stderr], [0, '']);
  assert.match(
    applied.stdout,
    /^entry\/app created\n(Waiting for entry\/app: [0-2] of 3 agents applied\n)*entry\/app successfully rolled out to 3 agents\n$/,
  );
  // Each agent reads all files.
  await waitUntilDelivered(on, topic, 30);

  // Kafka refuses two topics whose names differ only in "." and "_".
  const refused = topic.replace('.x', '_x');
  const file = await entryFile(on, refused);
  const canary = await logfleet(on, 'apply', '-f', file, '--rollout', '1,50%', '--step-wait', '1s', '--wait');
  assert.equal(canary.code, 1, canary.stdout);
  assert.match(canary.stdout, /^entry\/app configured \(topic\)\nWaiting for entry\/app: step \d of 3/);
  assert.match(
    canary.stderr,
    /error: entry\/app: (web-\d): .+\nerror: the rollout of entry\/app has halted: 1 agent failed: \1: /,
  );
  const failed = /entry\/app: (web-\d): /.exec(canary.stderr)?.[1];
  const topics = async () => Promise.all(AGENTS.map(async (id) => (await agentStatus(on, id)).entries[0].state));
  assert.deepEqual((await topics()).filter((state) => state === 'STATE_FAILED').length, 1);
  assert.equal((await agentStatus(on, failed ?? '')).entries[0].state, 'STATE_FAILED');
  await appendFile(dir.at('a.log'), lines(10, 10));
  await waitUntilDelivered(on, topic, 50);

  const status = await logfleet(on, 'rollout', 'status', 'app', '--no-watch');
  assert.deepEqual([status.code, status.stdout], [1, 'entry/app: 0 of 1 agent applied, 1 failed\n']);
  const table = (await logfleet(on, 'get', 'rollouts')).stdout;
  assert.match(
    table,
    /^NAME +STATE +STEP +APPLIED +FAILED +CONNECTED +AGE +REASON\napp +Halted +1\/3 +0\/1 +1 +3 +\d+s +1 agent failed: /,
  );
  const plain = await logfleet(on, 'apply', '-f', await entryFile(on, 'other'));
  assert.equal(plain.code, 1);
  assert.match(
    plain.stderr,
    /entries\/app is being rolled out \(step 1 of 3, HALTED\): resume it, undo it \(logfleet rollout\)/,
  );

  const undone = await logfleet(on, 'rollout', 'undo', 'app', '--reason', 'Kafka says no');
  assert.deepEqual([undone.code, undone.stderr], [0, '']);
  assert.match(undone.stdout, /^entry\/app rolled back, its revision is \d+\n$/);
  const after = await logfleet(on, 'rollout', 'status', 'entry/app', '--timeout', '30s');
  assert.deepEqual([after.code, after.stderr], [0, '']);
  await waitUntilDelivered(on, topic, 60);
  assert.match(
    (await logfleet(on, 'history', 'entry', 'app')).stdout,
    /3 +Rolled-back to \d+ +ann\? +\d+s +Kafka says no\n/,
  );
});

test('apply --wait reports which agents failed and why; a rollout is paused, resumed and followed to its end, or its undo is reported', async () => {
  await using on = await createFleet();
  const { dir, kafka } = on;
  await using first = agentOf(on, 'web-1', { labels: { env: 'canary', zone: 'a' } });
  await using second = agentOf(on, 'web-2');
  await Promise.all([first, second].map((agent) => agent.logged('connected to the controller')));
  await writeFile(dir.at('a.log'), lines(0, 2));
  const topic = `${newTopic()}.x`;
  await createTopic(kafka, 1, { name: topic });
  const refused = topic.replace('.x', '_x');
  const failed = await logfleet(on, 'apply', '-f', await entryFile(on, refused, ', selector: zone=a'), '--wait');
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^error: entry\/app: web-1: .+\nerror: 1 of 1 agent failed to apply entry\/app\n$/);
  const nobody = await logfleet(on, 'apply', '-f', await entryFile(on, topic, ', selector: zone=b'), '--wait');
  assert.deepEqual(
    [nobody.code, nobody.stdout],
    [0, 'entry/app configured (topic, selector)\nentry/app successfully rolled out to 0 agents\n'],
  );
  const all = await logfleet(on, 'apply', '-f', await entryFile(on, topic, ', selector: ""'), '--wait');
  assert.equal(all.code, 0, all.stderr);
  await waitUntilDelivered(on, topic, 4);

  const rollout = ['--rollout', 'env=canary,zone in (a,b),100%', '--step-wait', '1h'];
  const long = await logfleet(
    on,
    'apply',
    '-f',
    await entryFile(on, topic, ', owner: me'),
    ...rollout,
    '--wait',
    '--timeout',
    '3s',
  );
  assert.equal(long.code, 1);
  assert.match(
    long.stderr,
    /^error: timed out waiting for entry\/app: step 1 of 3 \(env=canary,zone in \(a,b\)\), [01] of 1 agent applied\n$/,
  );
  assert.equal((await logfleet(on, 'rollout', 'pause', 'app')).stdout, 'entry/app paused\n');
  const shown = await logfleet(on, 'rollout', 'status', 'app', '--no-watch');
  assert.deepEqual(
    [shown.code, shown.stdout],
    [0, 'entry/app: step 1 of 3 (env=canary,zone in (a,b)), paused by ann, 1 of 1 agent applied\n'],
  );
  assert.equal((await logfleet(on, 'rollout', 'resume', 'entry', 'app')).stdout, 'entry/app resumed\n');
  await using follower = startProcess('cli/main.ts', [
    '--controller',
    on.controller.address,
    'rollout',
    'status',
    'app',
  ]);
  await eventually(() => assert.match(follower.stdout(), /step 1 of 3/));
  const fast = await logfleet(
    on,
    'apply',
    '-f',
    await entryFile(on, topic, ', owner: you'),
    '--rollout',
    '1',
    '--rollout',
    'all',
  );
  assert.equal(fast.stdout, 'entry/app configured (owner)\n');
  assert.equal((await follower.exited).code, 1);
  assert.match(follower.stderr(), /error: entry\/app: the entry was changed again\n$/);
  const done = await logfleet(on, 'rollout', 'status', 'app', '--timeout', '60s');
  assert.deepEqual([done.code, done.stderr], [0, '']);
  assert.match(done.stdout, /entry\/app successfully rolled out to 2 agents\n$/);

  const bad = await entryFile(on, refused);
  const undone = await logfleet(
    on,
    'apply',
    '-f',
    bad,
    '--rollout',
    '1',
    '--on-failure',
    'undo',
    '--wait',
    '--timeout',
    '60s',
  );
  assert.equal(undone.code, 1);
  assert.match(undone.stderr, /error: entry\/app: the rollout was undone automatically: 1 agent failed: web-\d: /);
  assert.equal((await logfleet(on, 'rollout', 'status', 'app', '--timeout', '60s')).code, 0);

  const cases: [string[], number, RegExp][] = [
    [['apply', '-f', bad, '--step-wait', '3s'], 2, /need --rollout/],
    [['apply', '-f', bad, '--rollout', '0'], 2, /--rollout 0: 0 agents are out of range/],
    [['apply', '-f', bad, '--rollout', 'all,1'], 2, /rollout.steps\[0\].canary: "all" is not the last step/],
    [['rollout', 'status', 'none'], 1, /there is no entries\/none/],
    [['rollout', 'pause', 'app'], 1, /the rollout of entries\/app is at step \d of 2, UNDONE: it must be PROGRESSING/],
    [['rollout', 'undo', 'agent/x'], 2, /"agent" does not fit this command: give entries/],
  ];
  for (const [args, code, expected] of cases) {
    const outcome = await logfleet(on, ...args);
    assert.equal(outcome.code, code, `${args.join(' ')}: ${outcome.stderr}`);
    assert.match(outcome.stderr, expected);
  }
  for (const command of [['apply'], ['rollout'], ['rollout', 'status'], ['rollout', 'undo']])
    assert.match((await logfleet(on, ...command, '--help')).stdout, /Examples:\n {2}# .*\n {2}logfleet /);
});
