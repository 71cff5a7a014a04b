import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { testFormat } from '../../support/formats.ts';
import { TurnReader } from '../../support/read-lines.ts';
import { begun, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MIB = 1024 * 1024;
const nuls = (bytes: number) => '\0'.repeat(bytes);

function rangesOf({ records }: Pick<TurnReader, 'records'>): [string, string][] {
  return records.map(({ value, headers }) => [value.toString('latin1'), headers['logfleet.range'] as string]);
}

function write(file: string, at: number, text: string): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, text, at);
  closeSync(fd);
}

test('the bytes after an over-long line are waited for, too, when they are not written yet', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `0123456789abcdef${nuls(3 * MIB)}`);
  using reader = new TurnReader(file, testFormat({ maxLineBytes: 8, overLong: 'truncate' }));
  await reader.read();
  write(file, 16, 'ghi\nnext\n');
  await reader.read();
  assert.deepEqual(rangesOf(reader), [
    ['01234567', '0-8'],
    ['next', '8-25'],
  ]);
  assert.equal(
    reader.segments.reduce((sum, { segment }) => sum + (segment.cut?.bytes ?? 0), 0),
    12,
  );
});

test('a preallocated file is read as far as it is written, in whatever pieces', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, nuls(2 * MIB));
  using reader = new TurnReader(file, testFormat());
  const text = Array.from({ length: 40 }, (_, at) => `line ${at}\n`).join('');
  for (let at = 0; at < text.length; at += 3) {
    write(file, at, text.slice(at, at + 3));
    await reader.read();
  }
  assert.equal(
    rangesOf(reader)
      .map(([value]) => `${value}\n`)
      .join(''),
    text,
  );
  truncateSync(file, text.length);
  await reader.read({ size: text.length, sealed: true });
  assert.equal(reader.reader.position, text.length);
});

test('lines that are written into a preallocated file out of order arrive in the order of the file', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, nuls(MIB));
  using reader = new TurnReader(file, testFormat());
  for (const [at, line] of [
    [14, 'third\n'],
    [6, 'second!\n'],
    [0, 'first\n'],
  ] as const) {
    write(file, at, line);
    await reader.read();
  }
  assert.deepEqual(rangesOf(reader), [
    ['first', '0-6'],
    ['second!', '6-14'],
    ['third', '14-20'],
  ]);
});

test('a gap in a preallocated file that nobody fills is passed over after five seconds', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, nuls(MIB));
  write(file, 64, 'after\n');
  using reader = new TurnReader(file, testFormat());
  await reader.read();
  reader.nowMs += 4_999;
  await reader.read();
  assert.deepEqual(rangesOf(reader), []);
  reader.nowMs += 1;
  await reader.read();
  assert.deepEqual(rangesOf(reader), [['after', '0-70']]);
});

test('a preallocated file that is cut to its lines, or ends, has lost nothing, and is sealed at its last line', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, `one\n${nuls(MIB)}`);
  write(file, 4, 'two\n');
  on.at(file).resume();
  await on.deliver();
  await on.scan([file]);
  await on.deliver();
  await on.deliverOf(on.at(file));
  assert.equal(on.at(file).size, 8);
  truncateSync(file, 8);
  await on.scan([file]);
  await on.deliver();
  truncateSync(file, 0);
  appendFileSync(file, 'three\n');
  await on.scan([file]);
  await on.deliver();
  await on.scan([file]);
  assert.deepEqual(on.allLines, ['one', 'three', 'two']);
  assert.deepEqual(on.losses, []);
  assert.deepEqual(
    on.sealed.map(({ size }) => size),
    [8],
  );
  on.close();
});

test('NULs that are cut off are no loss', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, `one\n${nuls(MIB + 100)}`);
  truncateSync(file, 0);
  await on.scan([file]);
  await on.deliver();
  assert.deepEqual(on.losses, []);
  on.close();
});

test('the lines of a sparse file of a terabyte do not wait until all of it was searched', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const file = dir.at('a.log');
  writeFileSync(file, 'one\n');
  truncateSync(file, 2 ** 40);
  await on.scan([file]);
  const source = on.at(file);
  const segment = await on.read(source);
  assert.equal(segment?.end ?? source.position, 4);
  assert.ok(statSync(file).blocks < 100);
  on.close();
});

test('with `start: end` a preallocated file is read from where its written part ends', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `one\ntwo\n${nuls(MIB)}`);
  const on = new SourceFixture(dir, { start: () => 'end' });
  await on.find(file);
  const fd = openSync(file, 'r+');
  writeSync(fd, 'three\n', 8);
  closeSync(fd);
  await on.find(file);
  await on.deliver();
  assert.deepEqual([on.allLines, on.at(file).file.first], [['three'], 8]);
  on.close();
});

test('of a preallocated file that vanished before it was read, only what was written is lost', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `one\ntwo\n${nuls(MIB)}`);
  const before = new SourceFixture(dir);
  before.paused = true;
  await before.find(file);
  await before.find(file);
  before.kill();
  unlinkSync(file);
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 3; scan++) await on.find(dir.at('*.log'));
  assert.deepEqual(
    on.losses.map(({ start, end }) => [start, end]),
    [[0, 8]],
  );
  on.close();
});

test('of a preallocated file that vanished after it was opened again, only what was written is lost', async () => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), `one\ntwo\n${nuls(MIB)}`);
  writeFileSync(dir.at('empty.log'), nuls(MIB));
  for (const paused of [false, true]) {
    const before = new SourceFixture(dir);
    before.paused = paused;
    for (let scan = 0; scan < 3; scan++) await before.find(dir.at('*.log'));
    await before.deliver();
    before.kill();
    if (!paused) renameSync(dir.at('a.log'), dir.at('a.log.1'));
  }
  for (const name of ['a.log.1', 'empty.log']) unlinkSync(dir.at(name));
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 3; scan++) await on.find(dir.at('*.log'));
  assert.deepEqual(on.losses.map(({ start, end }) => [start, end]).sort(), [
    [0, 0],
    [8, 8],
  ]);
  on.close();
});

test('what the copy of a preallocated file lacks, because it was written after the copy, is a loss', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, `one\n${nuls(MIB)}`);
  copyFileSync(file, dir.at('a.log.1'));
  write(file, 4, 'two\n');
  await on.scan([file]);
  truncateSync(file, 0);
  for (let scan = 0; scan < 3; scan++) await on.find(dir.at('*.log*'));
  await on.deliver();
  assert.deepEqual(
    on.losses.map(({ start, end }) => [start, end]),
    [[4, 8]],
  );
  assert.deepEqual(on.allLines, ['one']);
  on.close();
});

test('the unwritten end of a file that is shorter than it was said to be is searched once', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `half${nuls(100)}`);
  using reader = new TurnReader(file, testFormat());
  await reader.read({ size: MIB, sealed: false });
  write(file, 4, ' a line\n');
  await reader.read({ size: MIB, sealed: false });
  assert.deepEqual(rangesOf(reader), [['half a line', '0-12']]);
});
