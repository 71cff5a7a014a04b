import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { newPrefix, startController } from '../support/controllers.ts';
import { runCommand, WEB_AND_DB } from '../support/run-command.ts';
import { sharedEtcd } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';

const controller = async () => startController(await sharedEtcd(), newPrefix());

test('every command reports a controller that does not respond within --timeout', async () => {
  const silent = createServer();
  await using _closing = { [Symbol.asyncDispose]: async () => void silent.close() };
  silent.on('stream', () => {});
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  for (const words of ['get entries', 'get agents -w', 'audit --follow', 'tap entry x', 'diagnostics agent x']) {
    const { code, stderr } = await runCommand(address, ['--timeout', '100ms', ...words.split(' ')]);
    const expected = `error: the controller at ${address} did not respond within 0.1 s; see --timeout\n`;
    assert.deepEqual([code, stderr], [3, expected], words);
  }
});

test('invalid input exits with 2 and changes nothing, a refusal with 1, an unreachable controller with 3', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  const wrong = `${WEB_AND_DB}- name: Bad\n  path: /x\n`;
  await writeFile(dir.at('wrong.yaml'), wrong);
  const refused = await run(['apply', '-f', dir.at('wrong.yaml')]);
  assert.deepEqual([refused.code, refused.stdout], [2, '']);
  assert.match(refused.stderr, /^error: nothing was applied: the input is invalid:\n/);
  assert.match(refused.stderr, /wrong\.yaml:10: path: is not a field of an entry: did you mean "paths"\?\n/);
  assert.match(refused.stderr, /wrong\.yaml:10: name: "entries\/Bad" is not an entry's name/);
  const twins = await run(['apply', '-f', '-'], `${WEB_AND_DB}- {name: web, topic: t, paths: [/a]}\n`);
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
    assert.ok(!outcome.stderr.includes('\x1b'), 'no colors without a terminal');
  }
  const help = await run(['--help']);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  assert.match(help.stdout, /Examples:\n {2}# .*\n {2}logfleet apply -f entry\.yaml/);
  const asking = ['tap', 'preview', 'restart', 'loglevel', 'diagnostics'];
  for (const command of ['apply', 'get', 'describe', 'delete', 'verify', ...asking])
    assert.match((await run([command, '--help'])).stdout, /Examples:\n {2}# .*\n {2}logfleet /);
  assert.match((await run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});
