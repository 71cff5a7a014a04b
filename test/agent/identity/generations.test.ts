import assert from 'node:assert/strict';
import { appendFile, link, open, rename, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { takeKnown } from '../../../agent/collect/sources/known-files.ts';
import { SourceRegistry } from '../../../agent/collect/sources/source-registry.ts';
import { type Checkpoint, newCheckpoint } from '../../../agent/model/checkpoint.ts';
import { fileKey, foundFile } from '../../../agent/model/found-file.ts';
import { begun, SourceFixture } from '../../support/source-fixture.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

/**
 * A log was read and deleted, and another file got its inode number. A test can't choose inode
 * numbers, so the stored checkpoint gets that of the new file. `change`: what else to change in it.
 */
async function reused(
  dir: TempDir,
  contents: { former: string; latter: string },
  change: Partial<Checkpoint> = {},
): Promise<{ on: SourceFixture; file: string; former: string }> {
  const { on: before, source } = await begun(dir, contents.former);
  const file = dir.at('b.log');
  await unlink(dir.at('a.log'));
  await writeFile(file, contents.latter);
  const { dev: device, ino: inode } = await stat(file, { bigint: true });
  before.store.put({ ...source.file.checkpoint, device, inode, path: file, ...change });
  before.kill();
  const on = new SourceFixture(dir);
  await on.find(file);
  await on.deliver();
  return { on, file, former: source.generation };
}

/** Longer than the head. */
const HEADLINES = ['time', 'host', 'path'].map((name) => name.padEnd(499, ','));
const HEADLINE = `${HEADLINES.join('\n')}\n`;

// Catalogue 12: beats #1341; vector #23076; imfile #2659.
test('a smaller file that reuses an inode number is read from its beginning', async () => {
  await using dir = await tempDir();
  const { on, former } = await reused(dir, { former: 'the former file\n', latter: 'new\n' });
  assert.deepEqual([on.allLines, on.lines.has(former)], [['new'], false]);
  assert.deepEqual([on.losses.length, on.losses[0]?.generation], [1, former]);
  on.close();
});

// Catalogue 13: vector #5902, PR #26334. Catalogue 14: vector #23076; loong #597.
test('a larger file that reuses an inode number is read from its beginning', async () => {
  await using dir = await tempDir();
  const { on } = await reused(dir, { former: 'former\n', latter: 'a longer first line\nand more\n' });
  assert.deepEqual(on.allLines, ['a longer first line', 'and more']);
  on.close();
});

test('a larger file with the same inode number and head is recognised by its marker', async () => {
  await using dir = await tempDir();
  const [former, latter] = [`${HEADLINE}one\n`, `${HEADLINE}two\nthree\n`];
  const { on } = await reused(dir, { former, latter }, { birthMs: 0 });
  assert.deepEqual(on.allLines, ['three', 'two', ...HEADLINES].sort());
  on.close();
});

test('a file that was written in one go, so that it was born when it last changed, has a time of birth', async () => {
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), 'one\n');
  const stats = await stat(dir.at('a.log'), { bigint: true });
  const inOneGo = Object.assign(Object.create(stats), { ctimeNs: stats.birthtimeNs });
  assert.equal(foundFile('/a.log', inOneGo)?.birthMs, Number(stats.birthtimeMs));
});

test('a file with the same inode number and bytes is recognised by its time of birth', async () => {
  await using dir = await tempDir();
  const { on } = await reused(dir, { former: 'headline\n', latter: 'headline\nrest\n' }, { birthMs: 1 });
  assert.deepEqual(on.allLines, ['headline', 'rest']);
  on.close();
});

// Catalogue 15: vector #25079, #17240; otel #46496.
test('files with the same first KiB are all read, and each continues after a restart', async () => {
  await using dir = await tempDir();
  const before = new SourceFixture(dir);
  for (const name of ['a', 'b']) await writeFile(dir.at(`${name}.csv`), `${HEADLINE}${name}\n`);
  await before.find(dir.at('*.csv'));
  await before.deliver();
  assert.deepEqual(before.allLines, ['a', 'b', ...HEADLINES, ...HEADLINES].sort());
  before.kill();
  for (const name of ['a', 'b']) await appendFile(dir.at(`${name}.csv`), `${name} more\n`);
  const on = new SourceFixture(dir);
  await on.find(dir.at('*.csv'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['a more', 'b more']);
  on.close();
});

// Catalogue 18: beats #44780; vector #2701.
test('files of a few bytes that never grow are delivered', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  await writeFile(dir.at('a.log'), '\n');
  await writeFile(dir.at('b.log'), 'ten bytes\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['', 'ten bytes']);
  on.close();
});

// Catalogue 19: otel TestStartsWith_FromFile; imfile-growing-file-id.sh.
test('a file that grows past its head while it is read, also over restarts, is one generation', async () => {
  await using dir = await tempDir();
  const generations = new Set<string>();
  for (let round = 0; round < 8; round++) {
    await appendFile(dir.at('a.log'), `${'x'.repeat(199)}\n`);
    const on = new SourceFixture(dir);
    await on.find(dir.at('a.log'));
    await appendFile(dir.at('a.log'), `${'y'.repeat(99)}\n`);
    await on.deliver();
    assert.deepEqual(on.allLines.length, 2);
    for (const { generation } of on.sources) generations.add(generation);
    on.kill();
  }
  assert.equal(generations.size, 1);
});

// Catalogue 20: beats #34418, #5876, #13492.
test('a file system that returns as another device is not sent again', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\n');
  before.store.put({ ...source.file.checkpoint, device: source.file.device + 7n });
  before.kill();
  await appendFile(file, 'two\n');
  const on = new SourceFixture(dir);
  await on.find(file);
  await on.deliver();
  assert.deepEqual([on.lines.get(source.generation), on.lines.size, on.losses], [['two'], 1, []]);
  assert.equal(on.store.load('e')[0]?.device, source.file.device);
  on.close();
});

// Catalogue 21 [R].
test('a file with two matching names is delivered once, and keeps its path', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  await link(file, dir.at('b.log'));
  for (let scan = 0; scan < 5; scan++) {
    await on.find(dir.at('*.log'));
    assert.equal(source.path, file);
  }
  await unlink(file);
  await appendFile(dir.at('b.log'), 'two\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual([on.allLines, on.sources.length, source.path], [['one', 'two'], 1, dir.at('b.log')]);
  on.close();
});

// Catalogue 22: TestFilestreamSymlinkRotated; fb #1118; vector #1053.
test("when a link's target changes, the rest of the old file and all of the new one are delivered", async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const current = dir.at('current');
  await writeFile(dir.at('v1'), 'v1 one\n');
  await symlink(dir.at('v1'), current);
  await on.find(current);
  await on.deliver();
  await appendFile(dir.at('v1'), 'v1 two\n');
  await writeFile(dir.at('v2'), 'v2 one\n');
  await unlink(current);
  await symlink(dir.at('v2'), current);
  await on.find(current);
  await on.deliver();
  assert.deepEqual([...on.lines.values()], [['v1 one', 'v1 two'], ['v2 one']]);
  assert.deepEqual(on.sources.map(({ file }) => file.state.activity).sort(), ['draining', 'reading']);
  on.close();
});

// Catalogue 24: TestFilestreamSymlinkRemoved.
test('a file whose symbolic link was removed is read further', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  await writeFile(dir.at('target'), 'one\n');
  await symlink(dir.at('target'), dir.at('a.log'));
  await on.find(dir.at('a.log'));
  await unlink(dir.at('a.log'));
  await on.find(dir.at('a.log'));
  await appendFile(dir.at('target'), 'two\n');
  await on.find(dir.at('a.log'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['one', 'two']);
  on.close();
});

// Catalogue 25: TestFilestreamTruncateWithSymlink.
test('a file and a matching link to it are delivered once', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  await writeFile(dir.at('a.log'), 'one\n');
  await symlink(dir.at('a.log'), dir.at('b.log'));
  await on.find(dir.at('*.log'));
  await on.deliver();
  await rename(dir.at('a.log'), dir.at('c.log'));
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual([on.allLines, on.sources.length], [['one'], 1]);
  on.close();
});

// Catalogue 30: fb #3111; [R].
test('inode numbers above 2^53 that are equal as doubles are two files', async () => {
  const inode = 5_230_885_576_068_206_338n;
  assert.equal(Number(inode), Number(inode + 1n));
  const rows = [inode, inode + 1n].map((each) =>
    newCheckpoint('e', `g${each}`, { device: 1n, inode: each, path: `/${each}`, birthMs: 0 }),
  );
  const registry = new SourceRegistry();
  for (const row of rows) registry.addKnown(row);
  await using dir = await tempDir();
  const { on, source } = await begun(dir, 'one\n');
  const file = { device: 1n, inode: inode + 1n };
  const found = {
    ...file,
    path: '/x',
    key: fileKey(file),
    size: 4,
    changedMs: 0,
    ctimeNs: 0n,
    birthMs: 0,
    local: false,
  };
  const taken = await takeKnown(source.fd, found, registry);
  assert.deepEqual([taken.known?.generation, taken.overwritten], [`g${inode + 1n}`, []]);
  assert.deepEqual(registry.known, [rows[0]]);
  on.close();
});

test('a known generation that two callers look for at the same time is taken by one of them', async () => {
  await using dir = await tempDir();
  const { on: before, file } = await begun(dir, 'one\n');
  before.kill();
  const on = new SourceFixture(dir);
  const registry = new SourceRegistry();
  for (const checkpoint of on.store.load('e')) registry.addKnown(checkpoint);
  const found = foundFile(file, await stat(file, { bigint: true }));
  assert.ok(found);
  await using opened = await open(file);
  const taken = await Promise.all([takeKnown(opened.fd, found, registry), takeKnown(opened.fd, found, registry)]);
  assert.equal(taken.filter(({ known }) => known !== undefined).length, 1);
  assert.deepEqual(
    taken.flatMap(({ overwritten }) => overwritten),
    [],
  );
  on.close();
});
