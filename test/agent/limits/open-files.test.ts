import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFile, copyFile, mkdir, rename, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { createWithInode } from '../../support/inodes.ts';
import { sharedKafka } from '../../support/servers.ts';
import { SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic } from '../../support/topics.ts';

const FILES = 600;
const OPEN_MAX = 64;
const MANY = 5_000;
const SECOND_MS = 1_000;
const repository = join(import.meta.dirname, '..', '..', '..');

async function writeFiles(folder: string, count: number, content: (index: number) => string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let index = 0; index < count; index++) await writeFile(join(folder, `${index}.log`), content(index));
}

// Catalogue 105: vector #18044, #14818, PR #25241; beats #32401.
test('ten times as many files as may be open are all read, later lines too, in turns', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: OPEN_MAX });
  on.wallMs = Date.now() + 3_600_000;
  const glob = dir.at('logs', '*.log');
  await writeFiles(dir.at('logs'), FILES, (index) => `one ${index}\n`);
  let scans = 0;
  const readAll = async (count: number) => {
    while (on.allLines.length < count && scans++ < 200) {
      await on.find(glob);
      await on.deliver();
      assert.ok(on.sources.filter(({ fd }) => fd >= 0).length <= OPEN_MAX);
    }
    assert.equal(on.allLines.length, count);
  };
  await readAll(FILES);
  for (let index = 0; index < FILES; index++) await appendFile(dir.at('logs', `${index}.log`), `two ${index}\n`);
  await readAll(2 * FILES);
  assert.equal(new Set(on.allLines).size, 2 * FILES);
  assert.deepEqual([on.losses, on.sources.length], [[], FILES]);
  on.close();
});

test('a file that replaces a closed one, with its inode number, is known by its own birth', async (t) => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 1 });
  const [first, second] = [dir.at('a.log'), dir.at('b.log')];
  await writeFile(first, 'one\n');
  await on.find(first);
  await on.deliver();
  await writeFile(second, 'other\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  const { birthMs, ino } = await stat(first).then(({ birthtimeMs, ino }) => ({ birthMs: birthtimeMs, ino }));
  await unlink(first);
  while (Date.now() <= birthMs + 20) await immediate();
  if (!(await createWithInode(first, ino, 'one\ntwo\n'))) return t.skip('the file system does not reuse inode numbers');
  await on.find(dir.at('*.log'));
  await on.deliver();
  await on.find(dir.at('*.log'));
  assert.deepEqual(on.allLines.toSorted(), ['one', 'one', 'other', 'two']);
  assert.deepEqual(
    on.losses.map(({ start, end, openEnded, reason }) => [start, end, openEnded, reason]),
    [[4, 4, true, 'vanished']],
  );
  on.kill();
  const after = new SourceFixture(dir);
  await after.find(dir.at('*.log'));
  await after.deliver();
  await after.find(dir.at('*.log'));
  assert.deepEqual([after.allLines, after.losses], [[], []]);
  after.close();
});

// Catalogue 11: beats #39732, PR #12651; 105.
test('a deleted or moved file with unread lines is never closed for others', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 4 });
  const glob = dir.at('*.log');
  for (const name of ['deleted', 'moved']) await writeFile(dir.at(`${name}.log`), `${name}\n`);
  await on.find(glob);
  await unlink(dir.at('deleted.log'));
  await rename(dir.at('moved.log'), dir.at('moved'));
  await on.find(glob);
  for (let index = 0; index < 20; index++) await writeFile(dir.at(`${index}.log`), `line ${index}\n`);
  for (let scan = 0; scan < 20; scan++) {
    on.nowMs += 2 * SECOND_MS;
    await on.find(glob);
    for (const source of on.sources) if (!/deleted|moved/.test(source.path)) await on.deliverOf(source);
  }
  assert.equal(on.allLines.length, 20);
  await on.deliver();
  assert.deepEqual([on.allLines.length, on.losses], [22, []]);
  on.close();
});

test('a truncated file is no loss as long as its copy waits for its turn to be opened', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 3 });
  const [file, glob] = [dir.at('a.log'), dir.at('*.log*')];
  await writeFile(file, 'one\n');
  await on.find(glob);
  await on.deliver();
  for (const name of ['b', 'c']) await writeFile(dir.at(`${name}.log`), 'unread\n');
  await appendFile(file, 'two\n');
  await on.find(glob);
  await copyFile(file, dir.at('a.log.1'));
  await truncate(file);
  await appendFile(file, 'new\n');
  for (let scan = 0; scan < 3; scan++) await on.find(glob);
  assert.deepEqual([on.losses, on.sources.length], [[], 3]);
  for (let scan = 0; scan < 3; scan++) {
    on.nowMs += 2 * SECOND_MS;
    await on.deliver();
    await on.find(glob);
  }
  assert.deepEqual([on.allLines, on.losses], [['new', 'one', 'two', 'unread', 'unread'], []]);
  on.close();
});

test('files that are never read to their end take turns', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 2 });
  for (const name of ['a', 'b', 'c', 'd']) await writeFile(dir.at(`${name}.log`), 'one\nnot terminated');
  const errors = await on.find(dir.at('*.log'));
  await on.deliver();
  assert.equal(errors.size, 2);
  for (let scan = 0; scan < 3; scan++) {
    on.nowMs += 2 * SECOND_MS;
    await on.find(dir.at('*.log'));
    await on.deliver();
  }
  assert.equal(on.allLines.length, 4);
  on.close();
});

test('an idle file that was closed, then written and deleted, is a loss with an open end', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 1 });
  const file = dir.at('a.log');
  await writeFile(file, 'one\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  await writeFile(dir.at('b.log'), 'b\n');
  await on.find(dir.at('*.log'));
  assert.ok(on.at(file).fd < 0, 'closed for the other');
  await appendFile(file, 'two\n');
  await unlink(file);
  for (let scan = 0; scan < 2; scan++) await on.find(dir.at('*.log'));
  assert.deepEqual(
    on.losses.map(({ path, start, end, openEnded, reason }) => [path, start, end, openEnded, reason]),
    [[file, 4, 4, true, 'vanished']],
  );
  on.close();
});

test('an idle file that was closed, then written and moved out of the glob, is found and drained', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 2 });
  const [file, moved] = [dir.at('a.log'), dir.at('a.log.1')];
  await writeFile(file, 'one\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  for (const name of ['b', 'c']) await writeFile(dir.at(`${name}.log`), `${name}\n`);
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.ok(on.at(file).fd < 0);
  await appendFile(file, 'two\n');
  await rename(file, moved);
  await writeFile(file, 'new\n');
  for (let scan = 0; scan < 3; scan++) {
    await on.find(dir.at('*.log'));
    await on.deliver();
  }
  assert.deepEqual([on.allLines, on.losses], [['b', 'c', 'new', 'one', 'two'], []]);
  on.close();
});

// Issue 4, "within a budget of pinned bytes".
test('deleted files above the disk budget are given up as losses, the oldest first', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { pinnedBytesMax: 250 });
  for (const name of ['a', 'b', 'c']) {
    await writeFile(dir.at(`${name}.log`), `${name.repeat(99)}\n`);
    await on.find(dir.at('*.log'));
    await unlink(dir.at(`${name}.log`));
    await on.find(dir.at('*.log'));
  }
  await on.find(dir.at('*.log'));
  assert.deepEqual(
    on.losses.map(({ path, start, end, openEnded, reason }) => [path, start, end, openEnded, reason]),
    [[dir.at('a.log'), 0, 100, true, 'budget']],
  );
  assert.deepEqual([on.sources.length, on.budget.pinnedBytes, on.store.load('e').length], [2, 200, 2]);
  await on.deliver();
  assert.deepEqual(on.allLines.length, 2);
  on.close();
});

// Catalogue 105, with a real agent.
test('an agent that may open 256 files reads 5,000', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 4);
  await using dir = await tempDir();
  await writeFiles(dir.at('logs'), MANY, (index) => `line ${index}\n`);
  const entries = [{ name: 'many', paths: [dir.at('logs', '*.log')], topic }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const own = ['--entries', dir.at('entries.yaml'), '--state', dir.at('state'), '--scan-interval', '500ms', '--once'];
  const agent = [process.execPath, join(repository, 'agent', 'main.ts'), ...own, '--kafka', kafka.join(',')];
  const child = spawn('sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', ...agent], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, stderr.slice(-2000));
  assert.doesNotMatch(stderr, /EMFILE/);
  assert.equal(await countRecords(kafka, topic), MANY);
});
