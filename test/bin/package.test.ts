import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { bundleAgent } from '../../bin/bundle-agent.mjs';
import { eventually } from '../support/eventually.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTopic, readTopic } from '../support/topics.ts';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '..', '..');
const programs = ['logfleet', 'logfleet-agent', 'logfleet-controller'];

test('the executables run from a checkout, by a link from elsewhere, and from the installed package alike', async () => {
  await using dir = await tempDir('package');
  const kafka = await sharedKafka();
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir.path], { cwd: repository });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  await mkdir(dir.at('node_modules'));
  await run('tar', ['-xzf', dir.at(filename)], { cwd: dir.at('node_modules') });
  // When installed, its packages are beside it, as npm puts them there.
  for (const name of await packagesOf(repository)) await link(dir.at('node_modules'), name);
  await mkdir(dir.at('bin'));
  for (const program of programs) await symlink(join(repository, 'bin', program), dir.at('bin', program));

  for (const [index, folder] of [
    join(repository, 'bin'),
    dir.at('bin'),
    dir.at('node_modules', 'package', 'bin'),
  ].entries()) {
    for (const program of programs) {
      const { stdout: version } = await run(join(folder, program), ['--version']);
      assert.match(version, /\d+\.\d+\.\d+\n$/, join(folder, program));
    }
    assert.match((await run(join(folder, 'logfleet'), ['explain', 'entry.topic'])).stdout, /^KIND: {3}entry\n/);
    const topic = await createTopic(kafka);
    await writeFile(dir.at('a.log'), 'one\ntwo\n');
    await writeFile(dir.at('e.yaml'), JSON.stringify({ name: 'a', paths: [dir.at('a.log')], topic }));
    const state = dir.at(`state-${index}`);
    const agent = ['--entries', dir.at('e.yaml'), '--kafka', kafka.join(','), '--state', state, '--once'];
    await run(join(folder, 'logfleet-agent'), agent);
    assert.deepEqual(
      (await readTopic(kafka, topic)).map(({ value }) => value.toString()),
      ['one', 'two'],
    );
  }
  const controller = execFile(dir.at('node_modules', 'package', 'bin', 'logfleet-controller'), [
    ...['--listen', '127.0.0.1:0', '--etcd', await sharedEtcd(), '--etcd.prefix', `/${dir.path.slice(-6)}/`],
  ]);
  const exited = new Promise<number | null>((resolve) => controller.once('exit', resolve));
  let log = '';
  controller.stderr?.on('data', (text: string) => {
    log += text;
  });
  const address = await eventually(() => /"address":"([^"]+)"/.exec(log)?.[1] ?? assert.fail(log));
  await eventually(() => run(dir.at('bin', 'logfleet'), ['--controller', address, 'get', 'entries']));
  controller.kill('SIGTERM');
  assert.equal(await exited, 0, log);
});

test('the installed agent follows its entries file: what it watches with is part of its bundle', async () => {
  await using dir = await tempDir('bundle');
  await bundleAgent(dir.at('agent'));
  await symlink(join(repository, 'package.json'), dir.at('package.json'));
  const packages = (await packagesOf(repository)).filter((name) => name !== 'chokidar');
  await mkdir(dir.at('node_modules'));
  for (const name of packages) await link(dir.at('node_modules'), name);
  const entry = { name: 'a', paths: [dir.at('a.log')], topic: 'unused' };
  await writeFile(dir.at('e.yaml'), JSON.stringify(entry));
  const args = ['--entries', dir.at('e.yaml'), '--kafka', (await sharedKafka()).join(','), '--state', dir.at('state')];
  const agent = execFile(process.execPath, [dir.at('agent', 'main.js'), ...args]);
  let log = '';
  agent.stderr?.on('data', (text: string) => {
    log += text;
  });
  try {
    await eventually(() => assert.match(log, /"agent started"/));
    await writeFile(dir.at('e.yaml'), JSON.stringify({ ...entry, paused: true }));
    await eventually(() => assert.match(log, /"applied the changed entries".*"changed":\["entries\/a"\]/, log));
  } finally {
    agent.kill('SIGKILL');
  }
});

async function packagesOf(root: string): Promise<string[]> {
  const { stdout } = await run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root });
  const prefix = join(root, 'node_modules/');
  const names = stdout.split('\n').filter((path) => path.startsWith(prefix));
  return names.map((path) => path.slice(prefix.length)).filter((name) => !name.includes('node_modules'));
}

async function link(folder: string, name: string): Promise<void> {
  if (name.includes('/')) await mkdir(join(folder, name.split('/')[0] as string), { recursive: true });
  await symlink(join(repository, 'node_modules', name), join(folder, name));
}
