import assert from 'node:assert/strict';
import { appendFile, mkdir, open, rename, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { begun, SourceFixture, stopped } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

// Catalogue 28 [R]: archived outside the glob while the agent was stopped; here the archive is near
// and is found.
test('a file moved to a folder below its own during a stop is found there and drained', async () => {
  await using dir = await tempDir();
  const file = await stopped(dir, 'one\n');
  await appendFile(file, 'two\n');
  await mkdir(dir.at('archive'));
  await rename(file, dir.at('archive', 'a.log'));
  const on = new SourceFixture(dir);
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual([on.allLines, on.losses, on.sources[0]?.path], [['two'], [], file]);
  await on.find(dir.at('*.log'));
  assert.equal(on.sources[0]?.file.state.activity, 'draining');
  on.close();
});

test('files that left neighbouring folders during a stop are each found one level below their own', async () => {
  await using dir = await tempDir();
  const before = new SourceFixture(dir);
  const files = [dir.at('a.log'), dir.at('app', 'b.log')] as const;
  await mkdir(dir.at('app'));
  for (const file of files) await writeFile(file, 'one\n');
  await before.find(dir.at('**', '*.log'));
  await before.deliver();
  before.kill();
  for (const file of files) {
    await appendFile(file, `two of ${basename(file)}\n`);
    await mkdir(join(dirname(file), 'old'));
    await rename(file, join(dirname(file), 'old', basename(file, '.log')));
  }
  const on = new SourceFixture(dir);
  await on.find(dir.at('**', '*.log'));
  await on.deliver();
  assert.deepEqual([on.allLines, on.losses], [['two of a.log', 'two of b.log'], []]);
  on.close();
});

// Catalogue 28 [R].
test('a file that is gone when the agent starts is an open-ended loss of its known unread bytes', async () => {
  await using dir = await tempDir();
  const { on: former, file, source } = await begun(dir, 'one\ntwo, not terminated');
  await former.find(file);
  former.kill();
  // While it is open, no file of the state gets its inode.
  await using held = await open(file);
  assert.ok(held.fd > 0);
  await unlink(file);
  const on = new SourceFixture(dir);
  // One scan may miss what moves meanwhile.
  await on.find(file);
  assert.deepEqual(on.losses, []);
  await on.find(file);
  const subject = { entryUid: 'e', generation: source.generation, path: file };
  assert.deepEqual(on.losses, [{ ...subject, start: 4, end: 23, openEnded: true, reason: 'vanished' }]);
  await on.find(file);
  assert.deepEqual([on.losses.length, on.store.load('e')], [1, []]);
  on.close();
});

test('a delivered file that is gone when the agent starts is an open-ended loss of no known byte', async () => {
  await using dir = await tempDir();
  const file = await stopped(dir, 'one\n');
  await unlink(file);
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 2; scan++) await on.find(file);
  assert.deepEqual(
    on.losses.map(({ start, end, openEnded, reason }) => [start, end, openEnded, reason]),
    [[4, 4, true, 'vanished']],
  );
  on.close();
});

// Catalogue 81: vector's 60 s expiry; beats clean_removed; [R].
test("a known file whose folder can't be searched is not given up", async () => {
  await using dir = await tempDir();
  const file = await stopped(dir, 'one\n');
  const { default: fs } = await import('node:fs/promises');
  await fs.rename(file, `${dir.path}.aside`);
  const hidden = new SourceFixture(dir);
  await hidden.scan([], [dir.path]);
  assert.deepEqual([hidden.losses, hidden.store.load('e').length], [[], 1]);
  hidden.kill();
  // Another file system is where its own was: as when a disk is not mounted.
  const unmounted = new SourceFixture(dir);
  const [row] = unmounted.store.load('e');
  assert.ok(row);
  unmounted.store.put({ ...row, device: row.device + 1n });
  unmounted.kill();
  const on = new SourceFixture(dir);
  await on.find(file);
  assert.deepEqual([on.losses, on.store.load('e').length], [[], 1]);
  on.close();
  await fs.unlink(`${dir.path}.aside`);
});

// opentelemetry-collector-contrib#50258: a limit ends a scan before it has found all files.
test('files that a scan did not find because it ended at a limit are read on, and none has vanished', async () => {
  await using dir = await tempDir();
  const file = await stopped(dir, 'one\n');
  const on = new SourceFixture(dir);
  const bounded = () => on.takeIn({ files: [], errors: [], incomplete: 'too many folders' }, [dir.path]);
  for (let scan = 0; scan < 3; scan++) await bounded();
  assert.deepEqual([on.losses, on.store.load('e').length], [[], 1]);
  await appendFile(file, 'two\n');
  await on.find(file);
  await on.deliver();
  await appendFile(file, 'three\n');
  for (let scan = 0; scan < 3; scan++) await bounded();
  await on.deliver();
  assert.deepEqual([on.allLines, on.losses, on.sealed], [['three', 'two'], [], []]);
  assert.equal(on.at(file).file.state.activity, 'reading');
  on.close();
});
