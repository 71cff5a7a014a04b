import assert from 'node:assert/strict';
import { appendFile, copyFile, rename, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createWithInode } from '../../support/inodes.ts';
import { begun, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a copy of a file that begins with a hole is not read again', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, `${'\0'.repeat(5_000)}one\ntwo\n`);
  await on.deliver();
  await copyFile(file, dir.at('a.log.1'));
  await truncate(file, 0);
  for (const path of [dir.at('a.log.1'), file]) await on.fileEvent(path);
  await on.deliver();
  assert.deepEqual([on.allLines, on.losses], [['one', 'two'], []]);
  on.close();
});

for (const filesMax of [100, 2]) {
  test(`a copy whose original was truncated and renamed between two scans is not read again, with ${filesMax} open files`, async () => {
    await using dir = await tempDir();
    const on = new SourceFixture(dir, { filesMax });
    const [file, glob] = [dir.at('b.log'), dir.at('*.log*')];
    await writeFile(file, 'one\ntwo\n');
    await on.find(glob);
    await on.deliver();
    for (const name of ['x', 'y']) await writeFile(dir.at(`${name}.log`), `${name}\n`);
    await on.find(glob);
    await copyFile(file, dir.at('b.log.1'));
    await truncate(file, 0);
    await rename(file, dir.at('a.log'));
    for (let scan = 0; scan < 4; scan++) {
      await on.find(glob);
      await on.deliver();
      on.nowMs += 3_000;
    }
    assert.deepEqual([on.allLines.toSorted(), on.losses], [['one', 'two', 'x', 'y'], []]);
    on.close();
  });
}

test('a copy whose original still waits for a descriptor is not read again', async () => {
  await using dir = await tempDir();
  const [file, glob] = [dir.at('b.log'), dir.at('*.log*')];
  const before = new SourceFixture(dir);
  await writeFile(file, 'one\ntwo\n');
  await writeFile(dir.at('a.log'), '');
  await before.find(glob);
  await before.deliver();
  before.kill();
  await appendFile(dir.at('a.log'), 'first\n');
  const on = new SourceFixture(dir, { filesMax: 2 });
  for (const name of ['0', '1']) await writeFile(dir.at(`${name}.log`), `${name}\n`);
  await on.find(dir.at('[01].log'));
  await copyFile(file, dir.at('b.log.1'));
  await on.find(glob);
  await on.deliverOf(on.at(dir.at('0.log')));
  await on.fileEvent(dir.at('b.log.1'));
  await truncate(file, 0);
  for (let scan = 0; scan < 4; scan++) {
    await on.deliver();
    on.nowMs += 3_000;
    await on.find(glob);
  }
  await on.deliver();
  assert.deepEqual([on.allLines.toSorted(), on.losses], [['0', '1', 'first'], []]);
  on.close();
});

test('a copy with the inode number of a file that was deleted during the same stop is not read again', async (t) => {
  await using dir = await tempDir();
  const [file, rotated, copy] = [dir.at('a.log'), dir.at('a.log.1'), dir.at('a.log-20261130')];
  const text = Array.from({ length: 100 }, (_, line) => `line ${line} of many\n`).join('');
  const before = new SourceFixture(dir);
  await writeFile(file, text);
  await writeFile(rotated, 'older\n');
  await before.find(dir.at('a.log*'));
  await before.deliver();
  before.kill();
  const { ino } = await stat(rotated);
  await unlink(rotated);
  if (!(await createWithInode(copy, ino, text))) return t.skip('the file system does not reuse inode numbers');
  await truncate(file, 0);
  await rename(file, dir.at('elsewhere'));
  await writeFile(file, 'new\n');
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 3; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
    on.nowMs += 20_000;
  }
  assert.deepEqual(on.allLines, ['new']);
  on.close();
});
