import assert from 'node:assert/strict';
import { appendFile, rename, unlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { begun, HOUR_MS, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MINUTE_MS = 60_000;

// Catalogue 47: vector read_line; otel TestNoNewline #4849.
test('a rotated file that stops growing is sealed: its last line is sent, and it is closed for good', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\ntwo');
  const rotated = dir.at('a.log.1');
  await rename(file, rotated);
  await writeFile(file, 'new\n');
  const glob = dir.at('a.log*');
  await on.find(glob);
  on.nowMs += 4 * MINUTE_MS;
  await on.find(glob);
  assert.equal(source.lastLineDue, false);
  on.nowMs += 2 * MINUTE_MS;
  await on.find(glob);
  await on.deliver();
  await on.find(glob);
  await on.deliver();
  const { generation } = source;
  assert.deepEqual(on.sealed, [{ entryUid: 'e', generation, path: rotated, first: 0, size: 7, recordsEnd: 7 }]);
  assert.deepEqual(
    on.sources.map(({ path }) => path),
    [file],
  );
  on.nowMs += HOUR_MS;
  await on.find(glob);
  on.kill();
  const later = new SourceFixture(dir);
  await later.find(glob);
  await later.deliver();
  assert.deepEqual([on.allLines, later.allLines, later.losses], [['new', 'one', 'two'], [], []]);
  assert.deepEqual(
    later.sources.map(({ path }) => path),
    [file],
  );
  // It grows after all.
  await appendFile(rotated, '\nthree\n');
  await later.find(glob);
  await later.deliver();
  assert.deepEqual([later.lines.get(generation), later.losses], [['', 'three'], []]);
  later.close();
});

test('a sealed rotated file that is deleted is neither a loss nor reported again', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await rename(file, dir.at('a.log.1'));
  await writeFile(file, 'new\n');
  for (let scan = 0; scan < 3; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  await unlink(dir.at('a.log.1'));
  await on.find(dir.at('a.log*'));
  on.kill();
  const later = new SourceFixture(dir);
  await later.find(dir.at('a.log*'));
  assert.deepEqual([on.sealed.length, on.losses, later.losses], [1, [], []]);
  later.close();
});

test('a file whose end nobody saw is not reported as complete by the next process either', async () => {
  await using dir = await tempDir();
  const { on: before, source } = await begun(dir, 'all\n');
  await unlink(dir.at('a.log'));
  before.kill();
  // Killed while its last batches had no answer.
  const dying = new SourceFixture(dir);
  source.apply('vanished');
  dying.store.put(source.file.checkpoint);
  dying.kill();
  const on = new SourceFixture(dir);
  await on.find(dir.at('a.log'));
  await on.find(dir.at('a.log'));
  assert.deepEqual(on.sealed, []);
  assert.deepEqual(
    on.losses.map(({ start, end, openEnded, reason }) => [start, end, openEnded, reason]),
    [[4, 4, true, 'vanished']],
  );
  on.close();
});
