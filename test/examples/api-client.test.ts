import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTopic } from '../support/topics.ts';

const EXAMPLE = 'examples/api-client/main.ts';

test('the API example creates and lists an entry, and prints which agents acknowledge it', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const example = (...args: string[]) => runProcess(EXAMPLE, ['--controller', controller.address, ...args]);
  assert.deepEqual(await example('list'), { code: 0, stdout: '', stderr: '' });
  const glob = dir.at('*.log');
  const created = await example('create', 'app', '--path', glob, '--path', '/var/log/app', '--topic', topic);
  assert.match(created.stdout, /^created app etag=\S+\n$/, created.stderr);
  assert.equal((await example('list')).stdout, `app ${topic} ${glob},/var/log/app\n`);

  await writeFile(dir.at('a.log'), 'one\n');
  const startAgent = (id: string) =>
    startProcess('agent/main.ts', [
      ...['--controller', controller.address, '--kafka', kafka.join(','), '--id', id, '--state', dir.at(id)],
    ]);
  await using watching = startProcess(EXAMPLE, ['--controller', controller.address, 'watch', 'app', '--agents', '2']);
  await using first = startAgent('a');
  await eventually(() => assert.match(watching.stdout(), /^a: applied, \d files$/m, first.stderr()));
  await using second = startAgent('b');
  assert.equal((await watching.exited).code, 0, second.stderr());
  assert.match(watching.stdout(), /^b: applied, \d files$/m);
});

test('the API example says what is wrong and what to do about it', async () => {
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const example = (...args: string[]) => runProcess(EXAMPLE, ['--controller', controller.address, ...args]);
  await example('create', 'app', '--path', '/a', '--topic', 't');
  const cases: [string[], number, RegExp][] = [
    [['create', 'app', '--path', '/a', '--topic', 't'], 1, /^error: .*exist.*; choose another name/],
    [['create', 'b', '--path', 'relative', '--topic', 't'], 1, /^error: .*paths\[0\].*; correct the named fields/],
    [['watch', 'none'], 1, /^error: .*entries\/none.*; the command list prints what exists/],
    [['--controller', '127.0.0.1:1', 'list'], 1, /^error: no answer from 127\.0\.0\.1:1: .*ECONNREFUSED.*--controller/],
    [['lists'], 2, /^Usage: /],
    [['--pth', 'x', 'list'], 2, /^error: Unknown option '--pth'/],
  ];
  for (const [args, expected, text] of cases) {
    const { code, stderr, stdout } = await example(...args);
    assert.match(stderr, text);
    assert.deepEqual([code, stdout], [expected, '']);
  }
  const help = await example('--help');
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Usage: .*\n[\s\S]*watch NAME/);
});
