import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { SourceFixture } from '../../support/source-fixture.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

// moby#31587.
test('a file that an overlay file system has copied up is the same file after a restart', async (t) => {
  await using dir = await tempDir();
  for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(dir.at(name));
  await writeFile(dir.at('lower', 'a.log'), 'one\n');
  await changeLater(dir.at('lower', 'a.log'));
  if (!mountOverlay(dir)) return t.skip('an overlay file system can not be mounted here');
  try {
    const file = dir.at('merged', 'a.log');
    const before = new SourceFixture(dir);
    await before.find(file);
    await before.deliver();
    const [source] = before.sources;
    before.kill();
    const { birthtimeNs, ino } = await stat(file, { bigint: true });
    await appendFile(file, 'two\n');
    await changeLater(file);
    const copied = await stat(file, { bigint: true });
    assert.deepEqual([copied.ino, copied.birthtimeNs > birthtimeNs], [ino, true]);
    const on = new SourceFixture(dir);
    await on.find(file);
    await on.deliver();
    assert.deepEqual([...on.lines], [[source?.generation, ['two']]]);
    assert.deepEqual(on.losses, []);
    on.close();
  } finally {
    execFileSync('umount', [dir.at('merged')]);
  }
});

/** So that the time of birth differs from that of the last change. */
async function changeLater(path: string): Promise<void> {
  await eventually(async () => {
    await utimes(path, new Date(), new Date());
    const { birthtimeMs, ctimeMs } = await stat(path, { bigint: true });
    assert.notEqual(birthtimeMs, ctimeMs);
  });
}

function mountOverlay(dir: TempDir): boolean {
  const layers = `lowerdir=${dir.at('lower')},upperdir=${dir.at('upper')},workdir=${dir.at('work')}`;
  try {
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, dir.at('merged')], { stdio: 'ignore' });
    return true;
  } catch {
    // Without root, or in a container.
    return false;
  }
}
