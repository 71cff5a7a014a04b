import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../../../support/eventually.ts';
import { begunLocally } from '../../../support/source-fixture.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('a file that was truncated and has grown past the read position is another generation, even if only the read detects it', async () => {
  await using dir = await tempDir();
  const { on, file, source: former } = await begunLocally(dir, 'one\ntwo\n');
  assert.equal(on.set.continueReading(file), true);
  await writeFile(file, 'three\nfour\nfive\n');
  assert.equal(on.set.continueReading(file), true);
  await eventually(async () => {
    await on.deliver();
    const lives = [...on.lines].map(([generation, lines]) => [generation === former.generation, lines]);
    assert.deepEqual(lives, [
      [true, ['one', 'two']],
      [false, ['three', 'four', 'five']],
    ]);
  });
  assert.deepEqual(on.losses, []);
  on.close();
});

test('a file event continues reading as long as the bytes before the position are unchanged, in pieces of any size', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begunLocally(dir, 'x'.repeat(3_000));
  let expected = 'x'.repeat(3_000);
  for (const piece of ['\n', 'one\n', `${'y'.repeat(1_023)}\n`, `${'z'.repeat(5_000)}\ntwo`, '\n', 'three\n']) {
    await appendFile(file, piece);
    expected += piece;
    if (!on.set.continueReading(file)) await on.fileEvent(file);
    await on.deliverOf(source);
  }
  assert.equal(on.set.continueReading(file), true);
  assert.equal(on.sources[0], source);
  // Over-long lines are split.
  assert.ok(on.lines.get(source.generation)?.join('') === expected.replaceAll('\n', ''));
  on.close();
});

test('after a read detects a truncation, reading continues without another file event', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begunLocally(dir, 'one\ntwo\n');
  await writeFile(file, 'new\n');
  assert.equal(on.set.continueReading(file), true);
  await on.deliverOf(source);
  await eventually(() => assert.deepEqual([on.at(file) === source, on.at(file).size], [false, 4]));
  on.close();
});
