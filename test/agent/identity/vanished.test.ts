import assert from 'node:assert/strict';
import { appendFile, mkdir, open, rename, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { intentOf } from '../../support/file-world.ts';
import { begun, SourceFixture, stopped } from '../../support/source-fixture.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

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
  const [kept, ...others] = on.store.load('e');
  assert.deepEqual([on.losses.length, kept?.phase, kept?.position, others], [1, 'away', 23, []]);
  on.close();
});

/** Takes files out of the entry's paths, to where no scan searches for them, and back. */
async function movedOut(dir: TempDir, file: string): Promise<{ back(to?: string): Promise<void>; away: string }> {
  const away = dir.at('far', 'off', basename(file));
  await mkdir(dirname(away), { recursive: true });
  await rename(file, away);
  return { back: (to = file) => rename(away, to), away };
}

for (const isRestarted of [false, true])
  test(`a file that vanished and returns ${isRestarted ? 'after a restart' : 'to a running agent'} continues behind its loss`, async () => {
    await using dir = await tempDir();
    const { on: before, file, source } = await begun(dir, 'one\n');
    await appendFile(file, 'two\n');
    await before.find(dir.at('*.log'));
    before.kill();
    const moved = await movedOut(dir, file);
    let on = new SourceFixture(dir);
    for (let scan = 0; scan < 3; scan++) await on.find(dir.at('*.log'));
    const lost = on.losses.map(({ start, end, openEnded }) => [start, end, openEnded]);
    if (isRestarted) {
      on.kill();
      on = new SourceFixture(dir);
    } else on.losses.length = 0;
    await appendFile(moved.away, 'three\n');
    const returned = dir.at('b.log');
    await moved.back(returned);
    await on.find(dir.at('*.log'));
    await on.deliver();
    assert.deepEqual([lost, on.losses, on.beginnings], [[[4, 8, true]], [], []]);
    assert.deepEqual([...on.lines], [[source.generation, ['three']]]);
    const { position, rangeEnd, first } = on.at(returned).file.checkpoint;
    assert.deepEqual([position, rangeEnd, first], [14, 14, 0]);
    on.close();
  });

test('what a lost line still gets when its file returns is lost, too, and is no record', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\ntwo, ');
  await before.find(file);
  before.kill();
  const moved = await movedOut(dir, file);
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 2; scan++) await on.find(file);
  await moved.back();
  await appendFile(file, 'con');
  await on.find(file);
  await on.deliver();
  await appendFile(file, 'tinued\nthree\n');
  await on.find(file);
  // The first read passes over the rest of the line.
  const segment = (await on.read(on.at(file))) ?? (await on.read(on.at(file)));
  assert.deepEqual([segment?.rangeStart, segment?.start, segment?.end], [19, 19, 25]);
  assert.deepEqual(
    on.losses.map(({ start, end, bytes, openEnded, reason }) => [start, end, bytes ?? end - start, openEnded, reason]),
    [
      [4, 9, 5, true, 'vanished'],
      [9, 12, 3, false, 'vanished'],
      [12, 19, 7, false, 'vanished'],
    ],
  );
  assert.deepEqual([...on.lines], [[source.generation, ['three']]]);
  on.close();
});

test('a gap in a file that vanished stays lost when it returns, and what is behind it is not read again', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\n');
  await before.find(file);
  await before.read(source);
  await appendFile(file, 'three\n');
  await before.find(file);
  const later = await before.read(source);
  assert.ok(later);
  source.acknowledged(later);
  before.kill();
  const moved = await movedOut(dir, file);
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 2; scan++) await on.find(file);
  await moved.back();
  await appendFile(file, 'four\n');
  await on.find(file);
  await on.deliver();
  assert.deepEqual(
    on.losses.map(({ start, end }) => [start, end]),
    [[4, 8]],
  );
  assert.deepEqual(on.allLines, ['four']);
  on.close();
});

test('a file that returns before its batches have a response continues, and nothing of it is lost', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\nthree\n');
  await before.find(file);
  const sent = await before.read(source);
  assert.ok(sent);
  before.kill();
  const moved = await movedOut(dir, file);
  const on = new SourceFixture(dir, { intents: [intentOf(sent, 1)] });
  for (let scan = 0; scan < 3; scan++) await on.find(file);
  await moved.back();
  await on.find(file);
  await on.recovery.batches[0]?.onReturned(undefined);
  await on.deliver();
  await appendFile(file, 'four\n');
  await on.find(file);
  await on.deliver();
  assert.deepEqual([on.losses, [...on.lines]], [[], [[source.generation, ['two', 'three', 'four']]]]);
  on.close();
});

test('a file that returns with other content is read whole, and what it held before is lost once', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\ntwo\n');
  before.kill();
  const moved = await movedOut(dir, file);
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 2; scan++) await on.find(file);
  await writeFile(moved.away, 'other\nlines\n');
  await moved.back();
  await on.find(file);
  await on.deliver();
  assert.deepEqual([on.losses.length, on.allLines], [1, ['lines', 'other']]);
  const [only, ...others] = on.store.load('e');
  assert.deepEqual([only?.generation === source.generation, others], [false, []]);
  on.close();
});

test('a generation whose inode has another file is not kept', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\ntwo\n');
  before.kill();
  await writeFile(file, 'other\n');
  await rename(file, dir.at('b.log'));
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 2; scan++) await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual([on.losses.length, on.allLines], [1, ['other']]);
  assert.equal(
    on.store.load('e').some(({ generation }) => generation === source.generation),
    false,
  );
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
