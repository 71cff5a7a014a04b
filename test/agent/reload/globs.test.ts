import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Discovery } from '../../../agent/collect/find/discovery.ts';
import { newCheckpoint } from '../../../agent/model/checkpoint.ts';
import { begun, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

// Catalogue 110 (beats #40447). An operator who narrows the globs does not want these lines any
// more: they stay in the file and are not a loss.
test('the rest of a file that no longer matches stays, and is sent when it matches again', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  appendFileSync(file, 'two\n');
  await on.scan([file]);
  on.wanted = () => false;
  await on.scan([]);
  await on.deliver();
  assert.deepEqual([on.allLines, on.losses, on.sources], [['one'], [], []]);
  on.kill();
  const later = new SourceFixture(dir);
  await later.scan([file]);
  await later.deliver();
  assert.deepEqual(later.allLines, ['two']);
  later.close();
});

// Catalogue 110: a batch in flight when the globs are narrowed keeps the file open, so its end is
// seen.
test('a file that no longer matches and is deleted with its last batch in flight is a loss of the rest', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  appendFileSync(file, 'two\n');
  await on.scan([file]);
  const under = await on.read(source);
  appendFileSync(file, 'three\n');
  await on.scan([file]);
  on.wanted = () => false;
  await on.scan([]);
  rmSync(file);
  await on.scan([]);
  source.acknowledged(under as NonNullable<typeof under>);
  await on.scan([]);
  await on.scan([]);
  const losses = on.losses.map(({ start, end, reason }) => [start, end, reason]);
  assert.deepEqual(losses, [[8, 14, 'unassigned']]);
  on.close();
});

test('a linked file of an entry that no longer follows links stays where it is, is no loss, and continues when it does again', async () => {
  await using dir = await tempDir();
  mkdirSync(dir.at('logs'));
  writeFileSync(dir.at('real.log'), 'one\n');
  symlinkSync(dir.at('real.log'), dir.at('logs', 'a.log'));
  const on = new SourceFixture(dir);
  const scanFollowing = async (followLinks: boolean) => {
    const discovery = new Discovery({ paths: [dir.at('logs', '*.log')], exclude: [], followLinks });
    const found = await discovery.scan(new AbortController().signal);
    on.wanted = (path) => discovery.matches(path);
    await on.takeIn(found, discovery.bases);
    await on.deliver();
  };
  await scanFollowing(true);
  appendFileSync(dir.at('real.log'), 'two\n');
  for (let scan = 0; scan < 3; scan++) await scanFollowing(false);
  assert.deepEqual([on.allLines, on.losses, on.sources], [['one'], [], []]);
  await scanFollowing(true);
  assert.deepEqual([on.allLines, on.losses], [['one', 'two'], []]);
  on.close();
});

// Catalogue 113 (beats takeOver, #40197): format 1 knew no birth, no marker and no times.
test('a file stored with an older, shorter fingerprint is recognised and not read again', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  const { dev: device, ino: inode } = statSync(file, { bigint: true });
  const { head, position, generation } = source.file.checkpoint;
  const bare = newCheckpoint('e', generation, { path: file, device, inode, birthMs: 0 });
  on.store.put({ ...bare, head, position });
  on.kill();
  appendFileSync(file, 'two\n');
  const later = new SourceFixture(dir);
  await later.scan([file]);
  await later.deliver();
  assert.deepEqual([...later.lines], [[generation, ['two']]]);
  later.close();
});
