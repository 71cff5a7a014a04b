import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { startAgent } from '../support/agents.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { startProcess } from '../support/process.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';

const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');

const controller = async () => startController(await sharedEtcd(), newPrefix());

/** Runs the command to its end. */
async function logfleet(address: string, args: readonly string[], input = '') {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, LOGFLEET_CONTROLLER: address },
  });
  child.stdin.end(input);
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

const YAML = `entries:
- name: web
  paths: ["/var/log/web/*.log"]
  topic: web
  labels: {team: a}
- name: db
  paths: ["/var/log/db/*.log", "/srv/db.log"]
  topic: db
  selector: role=db
`;

test('apply creates, changes or leaves entries, from files, folders and standard input; delete takes the same file', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (args: string[], input?: string) => logfleet(running.address, args, input);
  await mkdir(dir.at('entries'));
  await writeFile(dir.at('entries', 'a.yaml'), YAML);
  await writeFile(dir.at('entries', 'notes.txt'), 'not an entry');
  const first = await run(['apply', '-f', dir.at('entries')]);
  assert.deepEqual([first.code, first.stdout, first.stderr], [0, 'entry/web created\nentry/db created\n', '']);
  const again = await run(['apply', '-f', '-'], YAML.replace('topic: db', 'topic: other'));
  assert.equal(again.stdout, 'entry/web unchanged\nentry/db configured\n');
  const removed = await run(['delete', '-f', dir.at('entries', 'a.yaml')]);
  assert.equal(removed.stdout, 'entry/web deleted\nentry/db deleted\n');
  await run(['apply', '-f', '-'], YAML);
  const shown = await run(['get', 'entry', 'none', 'db', '-o', 'name']);
  assert.deepEqual([shown.code, shown.stdout, shown.stderr], [1, 'entry/db\n', 'error: there is no entries/none\n']);
  const missing = await run(['delete', 'entry', 'none', 'web', 'nothing']);
  assert.deepEqual([missing.code, missing.stdout], [1, 'entry/web deleted\n']);
  assert.equal(missing.stderr, 'error: there is no entries/none\nerror: there is no entries/nothing\n');
  assert.equal((await run(['delete', '-f', '-'], 'name: db\n')).stdout, 'entry/db deleted\n');
});

test('what get prints in YAML or JSON can be applied again; tables, names and selectors are as with kubectl', async () => {
  await using running = await controller();
  const run = (args: string[], input?: string) => logfleet(running.address, args, input);
  const none = await run(['get', 'entries']);
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'No entries found.\n']);
  await run(['apply', '-f', '-'], YAML);
  for (const output of ['yaml', 'json']) {
    const { stdout } = await run(['get', 'entries', '-o', output]);
    const names = (parseYaml(stdout) as { entries: { name: string }[] }).entries.map(({ name }) => name);
    assert.deepEqual(names, ['db', 'web']);
    assert.equal((await run(['apply', '-f', '-'], stdout)).stdout, 'entry/db unchanged\nentry/web unchanged\n');
    const stale = stdout.replace(/etag"?: "\d+"/, (match) => match.replace(/\d+/, '1'));
    assert.match((await run(['apply', '-f', '-'], stale)).stdout, /entry\/db unchanged\n/);
    assert.match(
      (await run(['apply', '-f', '-'], stale.replace('role=db', 'role=other'))).stderr,
      /entries\/db has changed since: its etag is \d+, not 1/,
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

test('pause and resume, and get --watch tells every change as it comes', async () => {
  await using running = await controller();
  const run = (args: string[], input?: string) => logfleet(running.address, args, input);
  await run(['apply', '-f', '-'], YAML);
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

test('agents are listed and described with their files', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (args: string[], input?: string) => logfleet(running.address, args, input);
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
    assert.match(stdout, new RegExp(`Files:\\n  PATH .*\\n  ${dir.at('a.log')} +app +Reading +0 +8 +8 B `));
  });
  const { stdout } = await run(['get', 'agents', '-l', 'env=prod']);
  assert.match(stdout, /^NAME +STATUS +HOST .*\nweb-1 +Failing /);
  assert.equal((await run(['get', 'agents', '-l', 'env=stage'])).stderr, 'No agents found.\n');
  const { agents } = JSON.parse((await run(['get', 'agents', '-o', 'json'])).stdout);
  assert.deepEqual([agents[0].name, agents[0].files[0].path], ['agents/web-1', dir.at('a.log')]);
  assert.match((await run(['describe', 'entry', 'app'])).stdout, /Agents:\n {2}AGENT +STATE .*\n {2}web-1 /);
});

test('of a controller that is reached and says nothing every command tells when its time is up', async () => {
  const silent = createServer();
  await using _closing = { [Symbol.asyncDispose]: async () => void silent.close() };
  silent.on('stream', () => {});
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  for (const words of ['get entries', 'get agents -w', 'audit --follow', 'tap entry x', 'diagnostics agent x']) {
    const { code, stderr } = await logfleet(address, ['--timeout', '100ms', ...words.split(' ')]);
    const expected = `error: the controller at ${address} did not respond within 0.1 s; see --timeout\n`;
    assert.deepEqual([code, stderr], [3, expected], words);
  }
});

test('wrong input exits with 2 and changes nothing, a refusal with 1, a controller that is away with 3', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (args: string[], input?: string) => logfleet(running.address, args, input);
  const wrong = `${YAML}- name: Bad\n  path: /x\n`;
  await writeFile(dir.at('wrong.yaml'), wrong);
  const refused = await run(['apply', '-f', dir.at('wrong.yaml')]);
  assert.deepEqual([refused.code, refused.stdout], [2, '']);
  assert.match(refused.stderr, /^error: nothing was applied: the input is invalid\n/);
  assert.match(refused.stderr, /wrong\.yaml:10: path: is not a field of an entry: did you mean "paths"\?\n/);
  assert.match(refused.stderr, /wrong\.yaml:10: name: "entries\/Bad" is not an entry's name/);
  const twins = await run(['apply', '-f', '-'], `${YAML}- {name: web, topic: t, paths: [/a]}\n`);
  assert.deepEqual([twins.code, twins.stdout], [2, '']);
  assert.match(
    twins.stderr,
    /input:2: name: entries\/web is also defined at standard input:10: remove or rename one\n/,
  );
  const none = await run(['get', 'entries']);
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'No entries found.\n']);
  const cases: [string[], number, RegExp][] = [
    [['apply', '-f', dir.at('none.yaml')], 2, /can't read .*none\.yaml: ENOENT/],
    [['apply', '-f', '-'], 2, /no entries in -/],
    [['get', 'things'], 2, /"things" is not a kind: give entries, agents, losses, alerts, rollouts or settings/],
    [['get', 'entries', '-o', 'xml'], 2, /Allowed choices are table, wide, json, yaml, name/],
    [['delete', 'agent', 'x'], 1, /there is no agents\/x/],
    [['forget', 'entry', 'x'], 2, /"entry" does not fit this command: give agents/],
    [['get', 'entries', '--sort-by', 'lag'], 2, /--sort-by can be given for agents, not for entries/],
    [['get', 'agents', '--min-lag', '10'], 2, /Give a size such as 10MiB, or a time such as 30s/],
    [['nonsense'], 2, /unknown command 'nonsense'/],
    [['tap', 'agent', 'x'], 2, /"agent" does not fit this command: give entries/],
    [['tap', 'entry', 'none'], 1, /there is no entries\/none/],
    [['tap', 'entry', 'none', '--rate', '0'], 2, /Give a number from 1 to 1000/],
    [['tap', 'entry', 'none', '-l', 'env in (x'], 2, /--selector: selector .* is invalid at its end/],
    [['tap', 'entry', 'none'], 1, /^error: there is no entries\/none\n$/],
    [['preview', '-f', '-', '--lines', '21'], 2, /Give a number from 0 to 20/],
    [['preview', '-f', '-', '--watch', '31s'], 2, /Give at most 30s/],
    [['top', 'agents', '--interval', '0'], 2, /Give a duration such as 10s, from 1ms/],
    [['--timeout', '1000h', 'get', 'entries'], 2, /Give a duration such as 10s, from 1ms to 596h/],
    [['get', 'entry', 'none', '-l', 'a=b'], 2, /give names, or --selector: not both/],
    [['diff'], 2, /give files with -f, or an entry and --revision; see logfleet history/],
    [['delete', 'entry', 'none', '-f', '-'], 2, /give names, or files with -f, but not both/],
    [['loglevel', 'agent/x', 'info'], 1, /there is no agents\/x/],
    [['loglevel', 'agent', 'x', 'all'], 2, /Allowed choices are debug, info, warn, error/],
    [['restart', 'entry', 'a', 'b'], 2, /name one entry, such as entry NAME/],
    [['preview', '-f', dir.at('wrong.yaml')], 2, /nothing was previewed: the input is invalid/],
    [['loglevel', 'agent', 'x', 'debug', '--for', 'ever'], 2, /Give a duration such as 10s/],
    [['diagnostics', 'agent', 'x'], 1, /there is no agents\/x/],
    [['delete'], 2, /give a kind, entries or agents, and names/],
    [['delete', 'entry/a/b'], 2, /give names of one kind, such as entry\/a entry\/b/],
    [['--ca-file', '/none.pem', 'get', 'entries'], 2, /--ca-file: can't read \/none\.pem: ENOENT/],
    [['get', 'entry', 'none'], 1, /there is no entries\/none/],
    [['get', 'agents', '-l', 'env in (x'], 2, /--selector: selector .* is invalid at its end/],
    [['--controller', 'somewhere', 'get', 'entries'], 2, /--controller: "somewhere" is not an address: give HOST:PORT/],
    [
      ['--controller', '127.0.0.1:1', 'get', 'entries'],
      3,
      /the controller at 127\.0\.0\.1:1 can't be reached: .*is it running/,
    ],
  ];
  for (const [args, code, expected] of cases) {
    const outcome = await run(args);
    assert.equal(outcome.code, code, `${args.join(' ')}: ${outcome.stderr}`);
    assert.match(outcome.stderr, expected);
    assert.equal(outcome.stdout, '');
    assert.ok(!outcome.stderr.includes('\x1b'), 'no colours where nobody sees them');
  }
  const help = await run(['--help']);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  assert.match(help.stdout, /Examples:\n {2}# .*\n {2}logfleet apply -f entry\.yaml/);
  const asking = ['tap', 'preview', 'restart', 'loglevel', 'diagnostics'];
  for (const command of ['apply', 'get', 'describe', 'delete', 'verify', ...asking])
    assert.match((await run([command, '--help'])).stdout, /Examples:\n {2}# .*\n {2}logfleet /);
  assert.match((await run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});
