import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SourceFixture } from '../../../support/source-fixture.ts';
import { tempDir } from '../../../support/temp-dir.ts';

// Only tmpfs and XFS have files of this size.
test('the largest sparse file does not stop the state from being stored, and the others are read', async () => {
  await using dir = await tempDir();
  const folder = mkdtempSync('/dev/shm/logfleet-');
  try {
    const on = new SourceFixture(dir);
    const [huge, other] = [join(folder, 'huge.log'), join(folder, 'other.log')];
    writeFileSync(huge, '');
    execFileSync('truncate', ['-s', '9223372036854775807', huge]);
    writeFileSync(other, 'one\n');
    await on.scan([huge, other]);
    await on.deliverOf(on.at(other));
    on.state.flush(1);
    assert.deepEqual(on.allLines, ['one']);
    rmSync(huge);
    await on.scan([other]);
    await on.scan([other]);
    on.state.flush(1);
    on.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
