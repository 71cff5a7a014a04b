import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { appendFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { Discovery } from '../../../../agent/collect/find/discovery.ts';
import { FileEventHandler } from '../../../../agent/collect/find/file-event-handler.ts';
import { FileWatchers } from '../../../../agent/collect/find/file-watcher.ts';
import { systemClock } from '../../../../runtime/clock.ts';
import { createLogger } from '../../../../runtime/logger.ts';
import { type TempDir, tempDir } from '../../../support/temp-dir.ts';

const signal = new AbortController().signal;

async function touch(dir: TempDir, ...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(dir.at(name)), { recursive: true });
    await writeFile(dir.at(name), '');
  }
}

async function found(dir: TempDir, paths: string[], exclude: string[] = []): Promise<string[]> {
  const rooted = (globs: string[]) => globs.map((glob) => dir.at(glob));
  const { files, errors } = await new Discovery({ paths: rooted(paths), exclude: rooted(exclude) }).scan(signal);
  assert.deepEqual(errors, []);
  return files.map(({ path }) => path.slice(dir.path.length + 1)).sort();
}

test('a scan finds the regular files that the globs match, each once, and no folder, pipe or excluded file', async () => {
  await using dir = await tempDir();
  await touch(dir, 'a.log', 'b.log', 'b.log.gz', 'x/c.log', 'x/y/d.log', '.hidden.log', 'old/e.log', 'f.log/g.log');
  assert.deepEqual(await found(dir, ['*.log']), ['a.log', 'b.log']);
  assert.deepEqual(await found(dir, ['**/*.log', 'a.log', '*.log']), [
    'a.log',
    'b.log',
    'f.log/g.log',
    'old/e.log',
    'x/c.log',
    'x/y/d.log',
  ]);
  assert.deepEqual(await found(dir, ['*/*.log']), ['f.log/g.log', 'old/e.log', 'x/c.log']);
  assert.deepEqual(await found(dir, ['**/*'], ['**/*.gz', 'old/**', 'x/**', '**/[bg]*']), ['a.log']);
  assert.deepEqual(await found(dir, ['none.log', 'no/such/*.log']), []);
});

test('links to files and folders are followed, a ring of links ends, and a dangling link is no file', async () => {
  await using dir = await tempDir();
  await touch(dir, 'real/a.log');
  await symlink(dir.at('real'), dir.at('link'));
  await symlink(dir.at('real', 'a.log'), dir.at('b.log'));
  await symlink(dir.at(), dir.at('real', 'ring'));
  await symlink(dir.at('nowhere'), dir.at('c.log'));
  assert.deepEqual(await found(dir, ['*.log']), ['b.log']);
  assert.deepEqual(await found(dir, ['link/*.log']), ['link/a.log']);
  assert.deepEqual(await found(dir, ['**/*.log']), ['b.log', 'real/a.log']);
});

const badName = (dir: TempDir, ...parts: string[]) => Buffer.from(dir.at(...parts), 'latin1');

test('each file and folder whose name is not UTF-8 is reported in every scan, also two whose names decode alike', async () => {
  await using dir = await tempDir();
  await touch(dir, 'a.log', '\uFFFD.log', 'skipped/b.log');
  for (const name of ['\xff.log', '\xfe.log', '\xff.txt']) await writeFile(badName(dir, name), '');
  for (const name of ['\xffolder', 'skipped/\xff']) await mkdir(badName(dir, name));
  await writeFile(badName(dir, '\xffolder', 'c.log'), '');
  const globs = { paths: [dir.at('**', '*.log')], exclude: [dir.at('skipped', '**')] };
  const later = { nowMs: () => systemClock.nowMs() + 10_000 };
  const watched = { watch: () => true, mayHaveLostEvents: () => false };
  const discovery = new Discovery(globs, watched, later);
  for (let scan = 0; scan < 2; scan++) {
    const { files, errors } = await discovery.scan(signal);
    assert.deepEqual(files.map(({ path }) => path).sort(), [dir.at('a.log'), dir.at('\uFFFD.log')]);
    assert.deepEqual(errors.map(({ path, error }) => [path, error.message]).sort(), [
      [dir.at('\\xfe.log'), 'the file name is not UTF-8: rename the file'],
      [dir.at('\\xff.log'), 'the file name is not UTF-8: rename the file'],
      [dir.at('\\xffolder'), 'the folder name is not UTF-8: rename the folder'],
    ]);
  }
});

test("a link that was changed to another folder leads to that folder's files, even if both have the same ctime", async () => {
  await using dir = await tempDir();
  const changed = (name: string) => statSync(dir.at(name), { bigint: true }).ctimeNs;
  do {
    for (const version of ['v1', 'v2']) await rm(dir.at(version), { recursive: true, force: true });
    await Promise.all([touch(dir, 'v1/one.log'), touch(dir, 'v2/two.log')]);
  } while (changed('v1') !== changed('v2'));
  await symlink('v1', dir.at('current'));
  // Late enough after the change that its ctime can't occur again.
  const later = { nowMs: () => systemClock.nowMs() + 10_000 };
  const discovery = new Discovery({ paths: [dir.at('current', '*.log')], exclude: [] }, undefined, later);
  const names = async () => (await discovery.scan(signal)).files.map(({ path }) => path.slice(dir.path.length + 1));
  assert.deepEqual(await names(), ['current/one.log']);
  assert.deepEqual(await names(), ['current/one.log']);
  await symlink('v2', dir.at('next'));
  await rename(dir.at('next'), dir.at('current'));
  assert.deepEqual(await names(), ['current/two.log']);
});

test("once a folder's files were seen to change without events, each scan observes all of them", async () => {
  await using dir = await tempDir();
  const all = Array.from({ length: 12 }, (_, file) => `${file}.log`);
  await touch(dir, ...all);
  const watched = new Set<string>();
  const hints = { watch: (path: string) => watched.has(path) || !watched.add(path), mayHaveLostEvents: () => false };
  const later = { nowMs: () => systemClock.nowMs() + 10_000 };
  const discovery = new Discovery({ paths: [dir.at('*.log')], exclude: [] }, hints, later);
  const grown = async (size: number) =>
    (await discovery.scan(signal)).files.filter((file) => file.size === size).length;
  await grown(0);
  await grown(0);
  for (const name of all) await appendFile(dir.at(name), 'x');
  // One of six at first, and all from then on.
  assert.ok((await grown(1)) > 0);
  assert.equal(await grown(1), 12);
  for (const name of all) await appendFile(dir.at(name), 'x');
  assert.equal(await grown(2), 12);
});

test('a scan that is stopped leaves nothing watched', async () => {
  await using dir = await tempDir();
  await touch(dir, ...Array.from({ length: 20 }, (_, folder) => `${folder}/a.log`));
  const watches = () =>
    readdirSync('/proc/self/fdinfo').reduce((sum, fd) => {
      try {
        const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
        return sum + (info.match(/^inotify wd/gm)?.length ?? 0);
      } catch {
        // It was closed meanwhile.
        return sum;
      }
    }, 0);
  const watchers = new FileWatchers(createLogger({ level: 'error', format: 'json', write: () => {} }));
  const before = watches();
  for (const paths of [[dir.at('*', '*.log')], Array.from({ length: 20 }, (_, at) => dir.at(`${at}`, 'a.log'))]) {
    const entry = {
      discovery: () => undefined,
      scanned: () => true,
      continueReading: () => true,
      handleEvent: async () => {},
      scan: async () => {},
    };
    const between = new FileEventHandler(entry, systemClock, (events) => watchers.create(events));
    const stop = new AbortController();
    const scan = new Discovery({ paths, exclude: [] }, between.events).scan(stop.signal).catch(() => undefined);
    await new Promise((resume) => setImmediate(resume));
    stop.abort();
    between.stop();
    await scan;
    assert.equal(watches(), before);
  }
});
