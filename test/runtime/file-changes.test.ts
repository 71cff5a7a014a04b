import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { FileChanges, pathsTo } from '../../runtime/file-changes.ts';
import { createLogger } from '../../runtime/logger.ts';
import { eventually } from '../support/eventually.ts';
import { HandClock } from '../support/hand-clock.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

const tools = {
  clock: systemClock,
  logger: createLogger({ level: 'warn', format: 'text', write: () => {} }),
};

/** Less than CHECK_INTERVAL_MS, also when a hand clock moves 200 ms with each attempt. */
const PATIENCE = { timeoutMs: 5_000 };

/** Watches `path`, and keeps what the file `content` held at the last check. */
function watch(path: string, content = path, clock: Pick<Clock, 'after'> = systemClock) {
  const stop = new AbortController();
  const seen = { text: '', checks: 0 };
  const changes = new FileChanges({ ...tools, clock: { ...systemClock, after: clock.after } });
  const check = async () => {
    seen.text = await readFile(content, 'utf8').catch(() => 'missing');
    seen.checks++;
  };
  changes.add({ paths: () => [path], check });
  const running = changes.run(stop.signal);
  return {
    seen,
    reads: (text: string) => eventually(() => assert.equal(seen.text, text), PATIENCE),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

async function replaceLink(target: string, link: string): Promise<void> {
  await symlink(target, `${link}.tmp`);
  await rename(`${link}.tmp`, link);
}

/** As the kubelet does it: a new folder, one link replaced, the old folder deleted. */
async function mountVersion(dir: TempDir, version: number): Promise<void> {
  await mkdir(dir.at(`..${version}`));
  await writeFile(dir.at(`..${version}`, 'a.yaml'), `version ${version}`);
  await replaceLink(`..${version}`, dir.at('..data'));
  await rm(dir.at(`..${version - 1}`), { recursive: true, force: true });
}

test('a file is checked again after each way to change it', async () => {
  await using dir = await tempDir();
  await mkdir(dir.at('etc'));
  const file = dir.at('etc', 'a.yaml');
  await writeFile(file, 'first');
  await using watched = watch(file);
  await watched.reads('first');
  await writeFile(file, 'in place');
  await watched.reads('in place');
  await writeFile(`${file}.tmp`, 'renamed onto it');
  await rename(`${file}.tmp`, file);
  await watched.reads('renamed onto it');
  await rename(file, `${file}~`);
  await writeFile(file, 'saved by vim');
  await unlink(`${file}~`);
  await watched.reads('saved by vim');
  await unlink(file);
  await watched.reads('missing');
  await writeFile(file, 'created again');
  await watched.reads('created again');
  await rm(dir.at('etc'), { recursive: true });
  await watched.reads('missing');
  await mkdir(dir.at('etc'));
  await writeFile(file, 'in a new folder');
  await watched.reads('in a new folder');
  await writeFile(file, 'and changed there');
  await watched.reads('and changed there');
});

test("a ConfigMap's file is checked again after each version that Kubernetes mounts", async () => {
  await using dir = await tempDir();
  await mountVersion(dir, 1);
  await symlink('..data/a.yaml', dir.at('a.yaml'));
  await using watched = watch(dir.at('a.yaml'));
  for (const version of [1, 2, 3, 4]) {
    if (version > 1) await mountVersion(dir, version);
    await watched.reads(`version ${version}`);
  }
});

test('a link is followed when it, a folder above it or the file at its end is replaced', async () => {
  await using dir = await tempDir();
  for (const name of ['one', 'two']) {
    await mkdir(dir.at(name));
    await writeFile(dir.at(name, 'cert-1.pem'), `${name} 1`);
    await writeFile(dir.at(name, 'cert-2.pem'), `${name} 2`);
    await symlink('cert-1.pem', dir.at(name, 'cert.pem'));
  }
  await symlink('one', dir.at('current'));
  await using watched = watch(dir.at('current', 'cert.pem'));
  await watched.reads('one 1');
  await replaceLink('cert-2.pem', dir.at('one', 'cert.pem'));
  await watched.reads('one 2');
  await replaceLink('two', dir.at('current'));
  await watched.reads('two 1');
  await writeFile(dir.at('two', 'cert-1.pem'), 'at its end');
  await watched.reads('at its end');
});

test('a file of a watched folder is noticed when it is added, changed and deleted', async () => {
  await using dir = await tempDir();
  await mkdir(dir.at('entries'));
  const file = dir.at('entries', 'a.yaml');
  await using watched = watch(dir.at('entries'), file);
  await watched.reads('missing');
  await writeFile(file, 'added');
  await watched.reads('added');
  await writeFile(file, 'changed');
  await watched.reads('changed');
  await unlink(file);
  await watched.reads('missing');
});

test('a file that is still being written is not checked; afterwards it is, once', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.yaml');
  await writeFile(file, '');
  const clock = new HandClock();
  await using watched = watch(file, file, clock);
  await using witness = watch(file);
  const checkedAfter = (ms: number, checks: number) =>
    eventually(() => {
      clock.runTo(clock.ms + ms);
      assert.equal(watched.seen.checks, checks);
    }, PATIENCE);
  // One at the start, and one as soon as the file is watched.
  await checkedAfter(200, 2);
  for (const text of ['o', 'on', 'one']) {
    await writeFile(file, text);
    await witness.reads(text);
    clock.runTo(clock.ms + 150);
  }
  assert.deepEqual([watched.seen.checks, watched.seen.text], [2, '']);
  await checkedAfter(200, 3);
  await eventually(() => assert.equal(watched.seen.text, 'one'), PATIENCE);
});

test('files beside a watched file, and below the folders of a watched folder, cause no check', async () => {
  await using dir = await tempDir();
  await mkdir(dir.at('entries', 'below'), { recursive: true });
  await writeFile(dir.at('a.yaml'), '');
  await using file = watch(dir.at('a.yaml'));
  await using folder = watch(dir.at('entries'), dir.at('entries', 'a.yaml'));
  const others = [dir.at('other'), dir.at('entries', 'below', 'other')];
  for (const other of others) await writeFile(other, '');
  await eventually(() => assert.deepEqual([file.seen.checks, folder.seen.checks], [2, 2]));
  for (const other of others) {
    await using witness = watch(other);
    // The second change is seen later than an unwanted check of the first one would be.
    for (const text of ['', 'first', 'second']) {
      await writeFile(other, text);
      await witness.reads(text);
    }
  }
  assert.deepEqual([file.seen.checks, folder.seen.checks], [2, 2]);
});

test('without files nothing is watched', async () => {
  const changes = new FileChanges(tools);
  changes.add({ paths: () => [], check: () => assert.fail('nothing to check') });
  await changes.run(new AbortController().signal);
});

test('the paths to a file are its links and its end, and a ring of links ends', async () => {
  await using dir = await tempDir();
  await mountVersion(dir, 1);
  await symlink('..data/a.yaml', dir.at('a.yaml'));
  assert.deepEqual(await pathsTo(dir.at('a.yaml')), [dir.at('a.yaml'), dir.at('..data'), dir.at('..1', 'a.yaml')]);
  assert.deepEqual(await pathsTo(dir.at('none', 'a.yaml')), [dir.at('none', 'a.yaml')]);
  await symlink('ring', dir.at('ring'));
  assert.ok((await pathsTo(dir.at('ring'))).length <= 41);
});
