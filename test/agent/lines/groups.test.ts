import assert from 'node:assert/strict';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { HOUR_MS, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

const format = { multiline: { continuation: '^\\s', timeoutMs: 1_000, maxLines: 500 } };

// Catalogue 119 (loong): a record never continues in another file.
test('the last record of a rotated file ends there, although the next file begins with a continuation', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { format });
  const [file, rotated] = [dir.at('a.log'), dir.at('a.log.1')];
  writeFileSync(file, 'Error: no\n  at a\n');
  await on.scan([file]);
  await on.deliver();
  assert.deepEqual(on.allLines, []);
  renameSync(file, rotated);
  appendFileSync(rotated, '  at b\n');
  writeFileSync(file, '  at c\nnext\nlast\n');
  await on.scan([file, rotated]);
  await on.deliver();
  on.nowMs += HOUR_MS;
  await on.deliver();
  const [previous = '', next = ''] = [rotated, file].map((path) => on.at(path).generation);
  assert.deepEqual(on.lines.get(previous), ['Error: no\n  at a\n  at b']);
  assert.deepEqual(on.lines.get(next), ['  at c', 'next', 'last']);
  on.close();
});

// Catalogue 117 (vector test_multi_line_checkpointing; imfile-endregex-save-lf-persist.sh), from
// the state on the disk.
test('a record open at a kill is rebuilt from its first line, and arrives once', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  const killed = new SourceFixture(dir, { format });
  writeFileSync(file, 'one\nError: no\n  at a\n');
  await killed.scan([file]);
  await killed.deliver();
  assert.deepEqual(killed.allLines, ['one']);
  killed.kill();
  appendFileSync(file, '  at b\ntwo\n');
  const on = new SourceFixture(dir, { format });
  await on.scan([file]);
  await on.deliver();
  assert.deepEqual(on.allLines, ['Error: no\n  at a\n  at b']);
  on.close();
});

// Catalogue 101 (fluent-bit #3926, #4273): no part of an incomplete record is kept only in memory,
// so a pause can't lose it.
test('a record open when its entry was paused arrives whole and once after the resume', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { format });
  const file = dir.at('a.log');
  writeFileSync(file, 'one\nError: no\n  at a\n');
  await on.scan([file]);
  await on.deliver();
  const source = on.at(file);
  source.apply('paused');
  appendFileSync(file, '  at b\n');
  on.nowMs += HOUR_MS;
  await on.scan([file]);
  source.resume();
  appendFileSync(file, 'two\n');
  await on.scan([file]);
  await on.deliver();
  assert.deepEqual(on.allLines, ['Error: no\n  at a\n  at b', 'one']);
  on.close();
});
