import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { begun, HOUR_MS, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

const NAMES = [
  'comma,comma',
  '{brace}',
  '[bracket]',
  'a space',
  'line\nbreak',
  'ünïcödé',
  '日志',
  '-dash',
  'star*',
  '%2e',
];

// Catalogue 62: fb #10945; vector's file server.
test('a file that is created, written and renamed between two scans is found by its new name', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await rename(file, dir.at('a.log.2'));
  await writeFile(file, 'short life\n');
  await rename(file, dir.at('a.log.1'));
  await writeFile(file, 'new\n');
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['new', 'one', 'short life']);
  on.close();
});

// Catalogue 66: imfile-wildcards-dirs-multi*.sh. Catalogue 65 (fb #2428, #3111): there is no
// file event for any of this.
test('new folders below ** are scanned, and a folder that is deleted and made again is a new one', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const glob = dir.at('**', '*.log');
  await on.find(glob);
  const folder = dir.at('x', 'y');
  for (const life of ['first', 'second']) {
    await mkdir(folder, { recursive: true });
    await writeFile(dir.at('x', 'y', 'a.log'), `${life}\n`);
    await on.find(glob);
    await on.deliver();
    await appendFile(dir.at('x', 'y', 'a.log'), `${life} rest\n`);
    await rm(dir.at('x'), { recursive: true });
    await on.find(glob);
    await on.deliver();
  }
  on.nowMs += HOUR_MS;
  for (let scan = 0; scan < 2; scan++) await on.find(glob);
  assert.deepEqual(on.allLines, ['first', 'first rest', 'second', 'second rest']);
  assert.deepEqual([on.sealed.length, on.losses, on.sources], [2, [], []]);
  on.close();
});

// Catalogue 67: fb path_comma; [R].
test('files with any name are read', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  for (const name of NAMES) await writeFile(dir.at(`${name}.log`), `${name.replace('\n', ' ')}\n`);
  assert.equal((await on.find(dir.at('*.log'))).size, 0);
  await on.deliver();
  assert.deepEqual(on.allLines, NAMES.map((name) => name.replace('\n', ' ')).sort());
  on.close();
});

// Catalogue 67: vector no_error_on_dir, ignore_not_found; [R].
test('matching folders, pipes, sockets, devices and dangling links are not files, and delay none', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  await mkdir(dir.at('folder.log'));
  execFileSync('mkfifo', [dir.at('pipe.log')]);
  await symlink('/dev/null', dir.at('device.log'));
  await symlink(dir.at('nowhere'), dir.at('dangling.log'));
  const server = createServer().listen(dir.at('socket.log'));
  await new Promise((resolve) => server.once('listening', resolve));
  await writeFile(dir.at('z.log'), 'one\n');
  const errors = await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual([on.allLines, [...errors]], [['one'], []]);
  server.close();
  on.close();
});

// Catalogue 67; as the user of the tests may read everything, the whole way is in
// test/e2e/files.test.ts.
test("a file that can't be opened is reported, and read once it can be", async (t) => {
  if (process.getuid?.() === 0) return t.skip('root may read everything');
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  await writeFile(dir.at('a.log'), 'one\n', { mode: 0o000 });
  assert.match((await on.find(dir.at('a.log'))).get(dir.at('a.log')) ?? '', /EACCES/);
  await chmod(dir.at('a.log'), 0o600);
  await on.find(dir.at('a.log'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['one']);
  on.close();
});

// Catalogue 68: otel TestStartAtEnd, TestIgnoreEmptyFiles; vector #5902. More of it in
// test/agent/collect/entry-collector.test.ts.
test('with start: end an empty file is read whole, and after a restart each file continues', async () => {
  await using dir = await tempDir();
  const start = () => 'end' as const;
  const before = new SourceFixture(dir, { start });
  await writeFile(dir.at('empty.log'), '');
  await writeFile(dir.at('old.log'), 'old\n');
  await before.find(dir.at('*.log'));
  for (const name of ['empty', 'old']) await appendFile(dir.at(`${name}.log`), `${name} 1\n`);
  await before.find(dir.at('*.log'));
  await before.deliver();
  before.kill();
  for (const name of ['empty', 'old']) await appendFile(dir.at(`${name}.log`), `${name} 2\n`);
  const on = new SourceFixture(dir, { start });
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual(
    [before.allLines, on.allLines],
    [
      ['empty 1', 'old 1'],
      ['empty 2', 'old 2'],
    ],
  );
  const firsts = on.sources.map(({ path, file }) => [path, file.first]);
  assert.deepEqual(Object.fromEntries(firsts), { [dir.at('empty.log')]: 0, [dir.at('old.log')]: 4 });
  on.close();
});

// The first record's range began at 0, so it claimed bytes that were never sent.
test('with start: end the first range begins where reading began, and a fact recorded with the position says why', async () => {
  await using dir = await tempDir();
  const before = new SourceFixture(dir, { start: () => 'end' });
  await writeFile(dir.at('a.log'), 'not read\n');
  await writeFile(dir.at('empty.log'), '');
  await before.find(dir.at('*.log'));
  before.kill();
  await appendFile(dir.at('a.log'), 'one\ntwo\n');
  const on = new SourceFixture(dir, { start: () => 'end' });
  await on.find(dir.at('*.log'));
  const source = on.at(dir.at('a.log'));
  const { generation, path } = source;
  const segment = await on.read(source);
  assert.deepEqual([segment?.rangeStart, segment?.start, segment?.end], [9, 9, 17]);
  const begun = { entryUid: 'e', generation, path, first: 9, reason: 'start' };
  assert.deepEqual([before.beginnings, on.beginnings], [[begun], []]);
  on.close();
});

test('where an excluded line or a cut-off one is the first after start: end, the next range begins there', async () => {
  await using dir = await tempDir();
  const format = { filter: { exclude: 'no' }, maxLineBytes: 1024, overLong: 'drop' } as const;
  const on = new SourceFixture(dir, { start: () => 'end', format });
  await writeFile(dir.at('a.log'), 'not read\n');
  await on.find(dir.at('a.log'));
  await appendFile(dir.at('a.log'), `no\n${'x'.repeat(2_000)}\nyes\n`);
  await on.find(dir.at('a.log'));
  const ranges: (number | undefined)[][] = [];
  const source = on.at(dir.at('a.log'));
  for (let read = await on.read(source); read; read = await on.read(source)) {
    ranges.push([read.rangeStart, read.rangeEnd]);
    source.acknowledged(read);
  }
  assert.deepEqual([on.allLines, ranges.at(-1)], [['yes'], [9, 2_017]]);
  assert.deepEqual([source.file.checkpoint.first, source.file.checkpoint.rangeEnd], [9, 2_017]);
  on.close();
});

// Catalogue 71: beats #16076; vector #18044.
test('only files that have changed are observed', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  on.wallMs = Date.now() + HOUR_MS;
  for (let file = 0; file < 50; file++) await writeFile(dir.at(`${file}.log`), 'one\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  await on.find(dir.at('*.log'));
  const observed: string[] = [];
  for (const source of on.sources) {
    const observe = source.observe.bind(source);
    source.observe = (...when) => {
      observed.push(source.path);
      return observe(...when);
    };
  }
  await on.find(dir.at('*.log'));
  assert.deepEqual(observed, []);
  await appendFile(dir.at('7.log'), 'two\n');
  await on.find(dir.at('*.log'));
  assert.deepEqual(observed, [dir.at('7.log')]);
  await on.find(dir.at('*.log'));
  assert.deepEqual(observed, [dir.at('7.log')]);
  on.close();
});
