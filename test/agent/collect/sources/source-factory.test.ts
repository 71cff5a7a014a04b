import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { SourceFixture } from '../../../support/source-fixture.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { insertGeneration, previousState } from '../../../upgrade/previous-state.ts';

test('a file that the previous release began at a later position continues there, and one fact says where', async () => {
  await using dir = await tempDir();
  const path = dir.at('a.log');
  await writeFile(path, 'not read\none\n');
  const { dev: device, ino: inode } = await stat(path, { bigint: true });
  const db = previousState(dir.at('state'));
  insertGeneration(db, { generation: 'g', device, inode, path, first: 9, position: 9, range_end: 0 });
  insertGeneration(db, { generation: 'whole', position: 9, range_end: 9 });
  db.close();
  const on = new SourceFixture(dir);
  await on.find(path);
  const segment = await on.read(on.at(path));
  assert.deepEqual([segment?.rangeStart, segment?.start, on.allLines], [9, 9, ['one']]);
  assert.deepEqual(on.beginnings, [{ entryUid: 'e', generation: 'g', path, first: 9, reason: 'unknown' }]);
  on.kill();
  const later = new SourceFixture(dir);
  assert.deepEqual(later.beginnings, []);
  later.close();
});
