import assert from 'node:assert/strict';
import { appendFile, copyFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Segment } from '../../../agent/produce/route-source.ts';
import { begun, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

const LINE = `${'x'.repeat(99)}\n`;
/** Longer than the head. */
const LONG = LINE.repeat(20);

// Catalogue 31: TestFilestreamTruncatedFileOpen; otel TestTruncateThenWrite; imfile-truncate.sh.
test('lines written after a truncation are a new generation; the previous one is sealed', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'the first life\n');
  await truncate(file);
  await appendFile(file, 'new\n');
  await on.find(file);
  await on.deliver();
  await on.find(file);
  assert.deepEqual([...on.lines.values()], [['the first life'], ['new']]);
  const { generation } = source;
  assert.deepEqual(on.sealed, [{ entryUid: 'e', generation, path: file, first: 0, size: 15, recordsEnd: 15 }]);
  assert.deepEqual([on.losses, on.store.load('e').length], [[], 1]);
  on.close();
});

// Catalogue 41: otel's design, "Known Limitations".
test('the unread rest of a truncated file is a loss, counted in bytes', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\nthree\n');
  await on.find(file);
  await copyFile(file, `${dir.path}.copy`);
  await truncate(file);
  await on.find(file);
  await on.find(file);
  const subject = { entryUid: 'e', generation: source.generation, path: file };
  assert.deepEqual(on.losses, [{ ...subject, start: 4, end: 14, openEnded: true, reason: 'truncated' }]);
  assert.deepEqual(on.sealed, []);
  on.close();
});

// Catalogue 32: TestFilestreamTruncatedFileClosed. Catalogue 38: fb set_file_position; fb #375.
test('a file truncated during a stop is read from its beginning; its previous end is not known', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'the first life\n');
  before.kill();
  await writeFile(file, 'new\n');
  const on = new SourceFixture(dir);
  await on.find(file);
  await on.deliver();
  assert.deepEqual(on.allLines, ['new']);
  const subject = { entryUid: 'e', generation: source.generation, path: file };
  assert.deepEqual(on.losses, [{ ...subject, start: 15, end: 15, openEnded: true, reason: 'truncated' }]);
  on.close();
});

// Catalogue 34: loong WholeFileOverwriteUnittest TestOverwriteSameSize.
test('a file rewritten with the same size and times is read again', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  const { atime, mtime } = await stat(file);
  await writeFile(file, 'two\n');
  await utimes(file, atime, mtime);
  await on.find(file);
  await on.deliver();
  assert.deepEqual(on.allLines, ['one', 'two']);
  on.close();
});

// Catalogue 35: loong CheckFileSignatureAndOffset.
test('a file rewritten smaller, with the same first KiB, is read from its beginning', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, LONG);
  await writeFile(file, `${LONG.slice(0, 1200)}new\n`);
  await on.find(file);
  await on.deliver();
  assert.deepEqual(on.lines.size, 2);
  assert.equal([...on.lines.values()].at(-1)?.at(-1), 'new');
  on.close();
});

test('a file truncated and grown past its previous size is read from its beginning', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await writeFile(file, 'a longer line\nand more\n');
  await on.find(file);
  await on.deliver();
  assert.deepEqual(on.allLines, ['a longer line', 'and more', 'one']);
  on.close();
});

test('with the same first KiB, the marker shows that the file was truncated and has grown', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, `${LONG}one\n`);
  await writeFile(file, `${LONG}two\nthree\n`);
  await on.find(file);
  await on.deliver();
  const [former, latter] = [...on.lines.values()];
  assert.deepEqual([former?.length, latter?.length, latter?.slice(-2)], [21, 22, ['two', 'three']]);
  on.close();
});

test('the marker shows it after a restart, too', async () => {
  await using dir = await tempDir();
  const { on: before, file } = await begun(dir, `${LONG}one\n`);
  before.kill();
  await writeFile(file, `${LONG}two\nthree\n`);
  const on = new SourceFixture(dir);
  await on.find(file);
  await on.deliver();
  assert.equal(on.allLines.length, 22);
  on.close();
});

// Catalogue 37 [R].
test("a late acknowledgement of a truncated generation does not move the next one's position", async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\n');
  await on.find(file);
  const segment = (await on.read(source)) as Segment;
  await truncate(file);
  await appendFile(file, 'n\n');
  await on.find(file);
  await on.find(file);
  assert.deepEqual([on.losses, on.sealed], [[], []], 'not decided while it is in flight');
  source.acknowledged(segment);
  await on.find(file);
  assert.deepEqual(
    on.sources.map(({ position }) => position),
    [0],
  );
  assert.deepEqual([on.losses, on.sealed.map(({ size }) => size)], [[], [8]]);
  assert.equal(on.store.load('e').length, 1);
  on.close();
});

test('lines returned for a truncated generation are a loss', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\n');
  await on.find(file);
  const segment = (await on.read(source)) as Segment;
  await truncate(file);
  await on.find(file);
  source.returned(segment);
  await on.find(file);
  assert.deepEqual(
    on.losses.map(({ start, end }) => [start, end]),
    [[4, 8]],
  );
  on.close();
});

test('the end of a generation with batches in flight at a kill is recorded by the next process', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\n');
  await before.find(file);
  await before.read(source);
  await truncate(file);
  await before.find(file);
  before.kill();
  const on = new SourceFixture(dir);
  await on.find(file);
  assert.deepEqual(
    on.losses.map(({ generation, start, end }) => [generation, start, end]),
    [[source.generation, 4, 8]],
  );
  assert.equal(on.store.load('e').length, 1);
  on.close();
});

// Catalogue 39: loong "same signature but size decrease". Decided: never skip. What is left of it
// comes again, as another generation.
test('a file cut to half is a new generation, read from its beginning', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\ntwo\n');
  await truncate(file, 4);
  await on.find(file);
  await on.deliver();
  await appendFile(file, 'three\n');
  await on.find(file);
  await on.deliver();
  assert.deepEqual(
    [...on.lines.values()],
    [
      ['one', 'two'],
      ['one', 'three'],
    ],
  );
  on.close();
});

// Catalogue 44: loong #1267.
test('cp /dev/null over a file that is still written to is a truncation', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  const { open } = await import('node:fs/promises');
  await using writer = await open(file, 'a');
  await copyFile('/dev/null', file);
  await writer.appendFile('2\n');
  await on.find(file);
  await on.deliver();
  assert.deepEqual(on.allLines, ['2', 'one']);
  on.close();
});
