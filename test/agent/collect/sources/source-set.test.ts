import assert from 'node:assert/strict';
import { existsSync, renameSync, truncateSync } from 'node:fs';
import { appendFile, link, mkdir, rename, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { Discovery } from '../../../../agent/collect/find/discovery.ts';
import type { Source } from '../../../../agent/collect/sources/source.ts';
import { type FoundFile, foundFile } from '../../../../agent/model/found-file.ts';
import type { Segment } from '../../../../agent/produce/route-source.ts';
import { begun, begunLocally, HOUR_MS, SourceFixture } from '../../../support/source-fixture.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { testBench } from '../../../support/test-bench.ts';

test('a file in an unreadable folder is never closed as deleted', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  for (let scan = 0; scan < 4; scan++) {
    on.nowMs += HOUR_MS;
    await on.scan([], [dirname(file)]);
  }
  assert.deepEqual([on.sources[0] === source, source.file.state.activity, source.position], [true, 'reading', 4]);
  on.close();
});

test('a file that left its path is closed after its grace, and continues at its position when it returns', async () => {
  await using dir = await tempDir();
  const { on, file, source: former } = await begun(dir, 'one\ntw');
  await rename(file, dir.at('elsewhere'));
  for (let scan = 0; scan < 3; scan++) {
    await on.scan([]);
    assert.equal(on.sources[0]?.file.state.activity, 'draining');
    on.nowMs += HOUR_MS;
  }
  await on.deliver();
  await on.scan([]);
  assert.equal(on.sources.length, 0);
  await rename(dir.at('elsewhere'), file);
  await on.scan([file]);
  const [source] = on.sources;
  assert.deepEqual([source?.generation, source?.position, source?.lastLineDue], [former.generation, 6, false]);
  on.close();
});

test('a deleted file is read to its end, closed and forgotten', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  await writeFile(dir.at('a.log'), 'one\ntwo');
  await on.scan([dir.at('a.log')]);
  await unlink(dir.at('a.log'));
  for (let scan = 0; scan < 3; scan++) {
    await on.scan([]);
    on.nowMs += HOUR_MS;
    await on.deliver();
  }
  await on.scan([]);
  assert.deepEqual([on.sources, on.store.load('e')], [[], []]);
  on.close();
});

test('a file that no longer matches is closed at once, and continues when it matches again', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  on.wanted = () => false;
  await appendFile(file, 'two\n');
  await on.scan([]);
  assert.equal(on.sources.length, 0);
  on.wanted = () => true;
  await on.scan([file]);
  assert.equal(on.sources[0]?.position, 4);
  on.close();
});

test('a file that matches again before its last batch was acknowledged is read further', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  await writeFile(dir.at('a.txt'), 'one\n');
  await on.scan([dir.at('a.txt')]);
  const [source] = on.sources as [Source];
  const bench = testBench();
  const { segment } = await source.fill(bench);
  on.wanted = (path) => path.endsWith('.log');
  await on.scan([]);
  assert.equal(source.file.state.activity, 'unmatched');
  await rename(dir.at('a.txt'), dir.at('a.log'));
  await appendFile(dir.at('a.log'), 'two\n');
  await on.scan([dir.at('a.log')]);
  source.acknowledged(segment as Segment);
  await on.deliver();
  assert.deepEqual([on.sources[0] === source, source.file.state.activity, source.position], [true, 'reading', 8]);
  on.close();
});

test('a file that returns after it was paused while its last line was due is not complete', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\ntw');
  const elsewhere = dir.at('elsewhere');
  await rename(file, elsewhere);
  for (let scan = 0; scan < 2; scan++) {
    await on.scan([]);
    on.nowMs += HOUR_MS;
  }
  await on.scan([]);
  assert.equal(source.lastLineDue, true);
  source.apply('paused');
  source.resume();
  await rename(elsewhere, file);
  await on.scan([file]);
  assert.equal(source.lastLineDue, false);
  on.close();
});

test('a generation that began with a truncation is recognised by its head after a restart', async () => {
  await using dir = await tempDir();
  const { on: before, file } = await begun(dir, 'a first life\n');
  await truncate(file);
  await before.scan([file]);
  await appendFile(file, 'second\n');
  // Read and acknowledged before the next look.
  await before.deliver();
  await before.scan([file]);
  before.state.flush(1);
  before.close();
  // Another life again, and longer than what was read of the second.
  await writeFile(file, 'a third life, longer than the second\n');
  const after = new SourceFixture(dir);
  await after.scan([file]);
  assert.equal(after.sources[0]?.position, 0);
  after.close();
});

test('a file that replaced a found one before it was opened is identified as itself', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const [file, rotated] = [dir.at('a.log'), dir.at('a.log.1')];
  await writeFile(file, 'old\n');
  const found = foundFile(file, await stat(file, { bigint: true })) as FoundFile;
  await rename(file, rotated);
  await writeFile(file, 'new\n');
  await on.takeIn({ files: [found], errors: [] });
  await on.scan([file, rotated]);
  const inodes = new Map(on.sources.map(({ path, file }) => [path, file.inode]));
  assert.equal(inodes.size, 2);
  for (const path of [file, rotated]) assert.equal(inodes.get(path), (await stat(path, { bigint: true })).ino);
  on.close();
});

test('a file that a scan and file events find at the same time is opened once', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const file = dir.at('a.log');
  await writeFile(file, 'one\n');
  const found = foundFile(file, await stat(file, { bigint: true })) as FoundFile;
  await Promise.all([on.scan([file]), ...[1, 2, 3].map(() => on.set.handleEvent(file, found, () => 'beginning'))]);
  assert.equal(on.sources.length, 1);
  on.close();
});

test('a file event at the second name of a file that is truncated meanwhile finds the next generation', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  const second = dir.at('b.log');
  await link(file, second);
  // The observation of the first name and the look for the second one take turns in any order.
  for (let ticks = 0; ticks < 20; ticks++) {
    await on.deliver();
    const found = foundFile(second, await stat(second, { bigint: true })) as FoundFile;
    truncateSync(file);
    const observed = on.set.handleEvent(file, found, () => 'beginning');
    for (let tick = 0; tick < ticks; tick++) await immediate();
    await Promise.all([observed, on.set.handleEvent(second, found, () => 'beginning')]);
    assert.deepEqual(
      on.sources.map(({ path, position }) => [path, position]),
      [[file, 0]],
    );
    await writeFile(file, 'one\n');
    await on.scan([file]);
  }
  on.close();
});

test('files beyond the limit are reported as waiting, and read when those before them are delivered', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 2 });
  const paths = ['a', 'b', 'c'].map((name) => dir.at(name));
  for (const path of paths) await writeFile(path, 'one\n');
  const errors = await on.scan(paths);
  assert.deepEqual([...errors.keys()], [dir.at('c')]);
  assert.match(errors.get(dir.at('c')) as string, /2 files with unread lines are open, .* raise the limit/);
  await on.deliver();
  assert.equal((await on.scan(paths)).size, 0);
  await on.deliver();
  assert.deepEqual(
    on.sources.map(({ path, position }) => [path, position]),
    paths.map((path) => [path, 4]),
  );
  on.close();
});

test('a paused file that is truncated stays paused', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\ntwo\n');
  on.paused = true;
  source.apply('paused');
  await writeFile(file, 'new\n');
  for (let scan = 0; scan < 2; scan++) await on.scan([file]);
  assert.deepEqual([on.at(file) === source, on.at(file).file.state.activity], [false, 'paused']);
  on.close();
});

test('a scan that began before a rotation does not undo what file events found since', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begunLocally(dir, 'one\ntwo\n');
  const since = on.set.opened;
  const discovery = new Discovery({ paths: [dir.at('*.log*')], exclude: [] });
  on.wanted = (path) => discovery.matches(path);
  const found = await discovery.scan(new AbortController().signal);
  await rename(file, `${file}.1`);
  await writeFile(file, 'new\n');
  for (const path of [file, `${file}.1`]) await on.fileEvent(path);
  await on.takeIn(found, discovery.bases, since);
  assert.equal(on.at(`${file}.1`), source);
  assert.equal(on.at(file).file.state.activity, 'reading');
  await on.deliver();
  await appendFile(file, 'more\n');
  assert.equal(on.set.continueReading(file), true);
  await on.deliver();
  assert.deepEqual(on.allLines, ['more', 'new', 'one', 'two']);
  on.close();
});

test('a file that moves during a scan, so that the scan misses it, is neither lost nor read again', async () => {
  await using dir = await tempDir();
  const glob = dir.at('logs', '**', '*.log');
  for (const folder of ['a', 'b']) await mkdir(dir.at('logs', folder), { recursive: true });
  for (const folder of ['a', 'b']) await writeFile(dir.at('logs', folder, 'y.log'), `${folder}\n`);
  await writeFile(dir.at('logs', 'b', 'x.log'), 'one\ntwo\n');
  const former = new SourceFixture(dir);
  await former.find(glob);
  await former.deliver();
  former.kill();
  const on = new SourceFixture(dir);
  // Between the walk of one folder and of the other, whichever comes first.
  const folders: string[] = [];
  const watch = (path: string) => {
    folders.push(path);
    const other = path.endsWith('/b') ? 'a' : 'b';
    const from = dir.at('logs', path.endsWith('/b') ? 'b' : 'a', 'x.log');
    if (folders.length === 3 && existsSync(from)) renameSync(from, dir.at('logs', other, 'x.log'));
    return false;
  };
  const discovery = new Discovery({ paths: [glob], exclude: [] }, { watch, mayHaveLostEvents: () => true });
  on.wanted = (path) => discovery.matches(path);
  for (let scan = 0; scan < 3; scan++)
    await on.takeIn(await discovery.scan(new AbortController().signal), discovery.bases);
  await on.deliver();
  assert.deepEqual([on.losses, on.allLines], [[], []]);
  on.close();
});
