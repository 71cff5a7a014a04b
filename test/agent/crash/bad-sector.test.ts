import assert from 'node:assert/strict';
import { appendFileSync, closeSync, openSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { begun } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

// Catalogue 77 (vector's `while let Ok`). A process's own memory has nothing at small addresses:
// the kernel answers EIO, as a bad sector does.
test('a read that fails with EIO is reported on the file, retried, and skips nothing', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc/self/mem');
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  appendFileSync(file, 'two\nthree\n');
  await on.scan([file]);
  const fd = source.file.detach();
  source.file.attach(openSync('/proc/self/mem', 'r'));
  for (let attempt = 0; attempt < 2; attempt++) {
    await on.deliverOf(source);
    assert.match(source.errors.current, /EIO/);
    assert.equal(source.position, 4);
  }
  closeSync(source.file.detach());
  source.file.attach(fd);
  await on.deliver();
  assert.deepEqual([on.allLines, source.errors.current], [['one', 'three', 'two'], '']);
  assert.deepEqual(on.losses, []);
  on.close();
});

test('a file that fails does not delay others', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc/self/mem');
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  const other = dir.at('b.log');
  writeFileSync(other, 'other\n');
  appendFileSync(file, 'two\n');
  await on.scan([file, other]);
  const fd = source.file.detach();
  source.file.attach(openSync('/proc/self/mem', 'r'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['one', 'other']);
  closeSync(source.file.detach());
  source.file.attach(fd);
  on.close();
});
