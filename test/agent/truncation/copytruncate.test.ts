import assert from 'node:assert/strict';
import { appendFile, copyFile, open, rename, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { mayBeCopyOf } from '../../../agent/collect/sources/copies.ts';
import { begun, SourceFixture } from '../../support/source-fixture.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const SECOND_MS = 1_000;

/** A log with an unread second line. */
async function behind(dir: TempDir) {
  const { on, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\n');
  return { on, file, source, copy: dir.at('a.log.1'), glob: dir.at('a.log*') };
}

// Catalogue 40: otel TestCopyTruncateWriteBoth; beats copytruncate_prospector_test "rotated twice
// in order".
test('after a copytruncate between two scans the rest is read from the copy, and nothing twice', async () => {
  await using dir = await tempDir();
  const { on, file, source, copy, glob } = await behind(dir);
  await copyFile(file, copy);
  await truncate(file);
  await appendFile(file, 'new\n');
  for (let scan = 0; scan < 3; scan++) {
    await on.find(glob);
    await on.deliver();
    on.nowMs += 5 * SECOND_MS;
  }
  assert.deepEqual(Object.fromEntries(on.lines), {
    [source.generation]: ['one', 'two'],
    [on.at(file).generation]: ['new'],
  });
  assert.deepEqual([source.path, on.losses], [copy, []]);
  await appendFile(copy, 'to the copy\n');
  await appendFile(file, 'newer\n');
  await on.find(glob);
  await on.deliver();
  assert.deepEqual(on.lines.get(source.generation), ['one', 'two', 'to the copy']);
  on.close();
});

test('a copy that has less than was read from its original is read from its end on, and a fact says so', async () => {
  await using dir = await tempDir();
  const first = `${'x'.repeat(2_000)}\n`;
  const { on, file, source } = await begun(dir, first);
  const copy = dir.at('a.log.1');
  await writeFile(copy, first);
  await appendFile(file, 'two\n');
  await on.fileEvent(file);
  await on.deliverOf(source);
  await truncate(file);
  await on.find(dir.at('a.log*'));
  await appendFile(copy, 'to the copy\n');
  await on.find(dir.at('a.log*'));
  await on.deliver();
  const { generation, file: tracked } = on.at(copy);
  assert.deepEqual(on.beginnings, [{ entryUid: 'e', generation, path: copy, first: 2_001, reason: 'copy' }]);
  assert.deepEqual([on.lines.get(generation), tracked.first], [['to the copy'], 2_001]);
  on.close();
});

test('a copy that appears long before the truncation of its original is not read meanwhile', async () => {
  await using dir = await tempDir();
  const { on, file, copy, glob } = await behind(dir);
  await on.find(glob);
  await on.deliver();
  await writeFile(copy, '');
  await on.find(glob);
  await writeFile(copy, 'one\n');
  await on.fileEvent(copy);
  await copyFile(file, copy);
  await on.find(glob);
  await on.deliver();
  assert.equal(on.sources.length, 1);
  await truncate(file);
  await on.fileEvent(file);
  await appendFile(file, 'new\n');
  for (let scan = 0; scan < 2; scan++) {
    await on.find(glob);
    await on.deliver();
  }
  assert.deepEqual([on.allLines, on.losses], [['new', 'one', 'two'], []]);
  on.close();
});

test('a copy whose original is not truncated is a file of its own, read whole after some seconds', async () => {
  await using dir = await tempDir();
  const { on, file, copy, glob } = await behind(dir);
  await copyFile(file, copy);
  await on.find(glob);
  await on.deliver();
  on.nowMs += 9 * SECOND_MS;
  await on.find(glob);
  await on.deliver();
  assert.deepEqual(on.allLines, ['one', 'two']);
  on.nowMs += 2 * SECOND_MS;
  await on.find(glob);
  await on.deliver();
  assert.deepEqual(
    [...on.lines.values()],
    [
      ['one', 'two'],
      ['one', 'two'],
    ],
  );
  on.close();
});

test("a new file with a copy's name and other lines is read at once", async () => {
  await using dir = await tempDir();
  const { on, glob } = await behind(dir);
  await writeFile(dir.at('a.log.debug'), 'other\n');
  await on.find(glob);
  await on.deliver();
  assert.deepEqual(on.allLines, ['one', 'other', 'two']);
  on.close();
});

for (const lines of [1, 20])
  test(`a copy of ${lines} lines that lacks lines read from the original meanwhile is not read again`, async () => {
    await using dir = await tempDir();
    const { on, file } = await begun(dir, `${'x'.repeat(99)}\n`.repeat(lines));
    const [copy, glob] = [dir.at('a.log.1'), dir.at('a.log*')];
    await copyFile(file, copy);
    await appendFile(file, 'three\n');
    await on.fileEvent(file);
    await on.deliverOf(on.at(file));
    await truncate(file);
    for (let scan = 0; scan < 2; scan++) await on.find(glob);
    await on.deliver();
    await appendFile(copy, 'to the copy\n');
    await on.find(glob);
    await on.deliver();
    assert.deepEqual(
      [on.allLines.length, on.allLines.slice(0, 2), on.losses],
      [lines + 2, ['three', 'to the copy'], []],
    );
    on.close();
  });

test('what was seen of a file and is in no copy is lost', async () => {
  await using dir = await tempDir();
  const { on, file, source, copy, glob } = await behind(dir);
  await copyFile(file, copy);
  await appendFile(file, 'three\n');
  await on.fileEvent(file);
  await truncate(file);
  for (let scan = 0; scan < 3; scan++) {
    await on.find(glob);
    await on.deliver();
  }
  const lost = on.losses.map(({ generation, start, end }) => [generation, start, end]);
  assert.deepEqual([on.allLines, lost], [['one', 'two'], [[source.generation, 8, 14]]]);
  on.close();
});

test('a copy whose original was replaced by another file during a stop is not read again', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\ntwo\n');
  before.kill();
  const copy = dir.at('a.log-20261130');
  await copyFile(file, copy);
  await truncate(file);
  await writeFile(dir.at('new'), 'new\n');
  // Else another file could get its inode number.
  await using _held = await open(file);
  await rename(dir.at('new'), file);
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 4; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
  }
  await appendFile(copy, 'to the copy\n');
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual([on.allLines, on.losses], [['new', 'to the copy'], []]);
  assert.equal(on.at(copy).generation, source.generation);
  on.close();
});

// Catalogue 42: beats #45300.
test('after three copytruncates, the last one during a stop, each line is delivered once', async () => {
  await using dir = await tempDir();
  const glob = dir.at('a.log*');
  const file = dir.at('a.log');
  const rotate = async () => {
    for (const older of [2, 1]) await rename(dir.at(`a.log.${older}`), dir.at(`a.log.${older + 1}`)).catch(() => {});
    await copyFile(file, dir.at('a.log.1'));
    await truncate(file);
  };
  const came: string[] = [];
  let on = new SourceFixture(dir);
  const written: string[] = [];
  const write = async (line: string) => {
    written.push(line);
    await appendFile(file, `${line}\n`);
  };
  for (let generation = 0; generation < 3; generation++) {
    await write(`g${generation} a`);
    await on.find(glob);
    await on.deliver();
    await write(`g${generation} b`);
    if (generation === 2) on.kill();
    await rotate();
    if (generation === 2) {
      came.push(...on.allLines);
      on = new SourceFixture(dir);
    }
    for (let scan = 0; scan < 2; scan++) {
      await on.find(glob);
      await on.deliver();
    }
  }
  assert.deepEqual([[...came, ...on.allLines].sort(), on.losses], [written.sort(), []]);
  on.close();
});

test('a copy is recognised by its name: a suffix, or a date before the extension', () => {
  for (const copy of ['/l/a.log.1', '/l/a.log-20260101', '/l/a-20260101.log', '/l/a.log.old'])
    assert.ok(mayBeCopyOf(copy, '/l/a.log'), copy);
  for (const other of ['/l/a.log', '/l/b.log', '/m/a.log.1', '/l/b.log.1', '/l/aa.log', '/l/a.logs'])
    assert.ok(!mayBeCopyOf(other, '/l/a.log'), other);
});
