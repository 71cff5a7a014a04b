import assert from 'node:assert/strict';
import { appendFile, mkdir, rename, unlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { begun, HOUR_MS, SourceFixture, stopped } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MINUTE_MS = 60_000;

// Catalogue 1: filestream TestFilestreamCloseRenamed; imfile-rename.sh.
test('after a rotation the rest of the old file and all of the new one are delivered once', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await rename(file, dir.at('a.log.1'));
  await writeFile(file, 'new one\n');
  await on.find(dir.at('a.log*'));
  await appendFile(dir.at('a.log.1'), 'two\n');
  await appendFile(file, 'new two\n');
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual(
    [...on.lines.values()],
    [
      ['one', 'two'],
      ['new one', 'new two'],
    ],
  );
  on.close();
});

// Catalogue 2: TestFilestreamMetadataUpdatedOnRename; otel TestMoveFile.
test('a renamed file continues at its position, and its stored path is the new one', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  await rename(file, dir.at('b.log'));
  await appendFile(dir.at('b.log'), 'two\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual([...on.lines.values()], [['one', 'two']]);
  const [kept] = on.store.load('e');
  assert.deepEqual([kept?.generation, kept?.path, kept?.position], [source.generation, dir.at('b.log'), 8]);
  on.close();
});

// Catalogue 3: otel TestTrackMovedAwayFiles.
test('a file moved out of the glob is read further through its open descriptor', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await mkdir(dir.at('archive'));
  await rename(file, dir.at('archive', 'a.log'));
  await on.find(dir.at('*.log'));
  await appendFile(dir.at('archive', 'a.log'), 'two\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['one', 'two']);
  on.close();
});

// Catalogue 4: vector file_start_position_server_restart_with_file_rotation;
// imfile-rename-while-stopped.sh; fb #1330.
test('after a rotation during a stop, the old file continues and the new one is read whole', async () => {
  await using dir = await tempDir();
  const file = await stopped(dir, 'one\n');
  await appendFile(file, 'two\n');
  await rename(file, dir.at('a.log.1'));
  await writeFile(file, 'new\n');
  const on = new SourceFixture(dir);
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['new', 'two']);
  on.close();
});

// Catalogue 5: fb #5024; beats #1281.
test('after three rotations during a stop, each generation is delivered once', async () => {
  await using dir = await tempDir();
  const file = await stopped(dir, 'g0 a\n');
  await appendFile(file, 'g0 b\n');
  for (const generation of [1, 2, 3]) {
    for (const older of [2, 1]) await rename(dir.at(`a.log.${older}`), dir.at(`a.log.${older + 1}`)).catch(() => {});
    await rename(file, dir.at('a.log.1'));
    await writeFile(file, `g${generation}\n`);
  }
  const on = new SourceFixture(dir);
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual(on.allLines, ['g0 b', 'g1', 'g2', 'g3']);
  on.close();
});

// Catalogue 6: otel TestRotation (sequential); beats #1956.
test('a chain of renames between two scans loses no unread lines', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const names = ['a.log', 'a.log.1', 'a.log.2'];
  for (const name of names) await writeFile(dir.at(name), `${name} first\n`);
  await on.find(dir.at('a.log*'));
  await on.deliver();
  for (const name of names) await appendFile(dir.at(name), `${name} rest\n`);
  for (const name of names.toReversed()) await rename(dir.at(name), dir.at(`a.log.${names.indexOf(name) + 1}`));
  await writeFile(dir.at('a.log'), 'new\n');
  await on.find(dir.at('a.log*'));
  await on.deliver();
  const firstAndRest = names.flatMap((name) => [`${name} first`, `${name} rest`]);
  assert.deepEqual(on.allLines, [...firstAndRest, 'new'].sort());
  assert.equal(on.lines.size, 4);
  on.close();
});

// Catalogue 10: beats PR #43978, #2395; loong DeletedFileUnittest. Catalogue 29: beats PR #50324,
// #40447: the log of a container that is gone.
test('a deleted file is drained through its descriptor, counts as pinned, and is then sealed', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\n');
  await appendFile(file, 'two\nthree');
  await unlink(file);
  await on.find(dir.at('*.log'));
  assert.equal(on.budget.pinnedBytes, 13);
  await on.deliver();
  on.nowMs += MINUTE_MS;
  await on.find(dir.at('*.log'));
  await on.deliver();
  await on.find(dir.at('*.log'));
  assert.deepEqual(on.allLines, ['one', 'three', 'two']);
  const { generation } = source;
  assert.deepEqual(on.sealed, [{ entryUid: 'e', generation, path: file, first: 0, size: 13, recordsEnd: 13 }]);
  assert.deepEqual([on.sources, on.losses, on.budget.pinnedBytes, on.store.load('e')], [[], [], 0, []]);
  on.close();
});

// Catalogue 26: vector #7990; otel #40523; fb #2110.
test('an unread file that is compressed is drained through its descriptor; the archive is not read', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await appendFile(file, 'two\n');
  const { gzipSync } = await import('node:zlib');
  await writeFile(dir.at('a.log.1.gz'), gzipSync('one\ntwo\n'));
  await unlink(file);
  await on.find(dir.at('a.log*'));
  await on.deliver();
  await on.find(dir.at('a.log*'));
  assert.deepEqual(on.allLines, ['one', 'two']);
  assert.deepEqual(
    on.sources.map(({ path }) => path),
    [file],
  );
  on.close();
});

test('an archive that was found while it was empty is not read either', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const archive = dir.at('a.log.gz');
  await writeFile(archive, '');
  await on.find(archive);
  const { gzipSync } = await import('node:zlib');
  // Lines that are written into a file that was empty are read only when it was observed again.
  await on.deliver();
  await writeFile(archive, gzipSync('one\n'));
  assert.equal(on.set.continueReading(archive), false);
  await on.deliver();
  for (let scan = 0; scan < 2; scan++) await on.find(archive);
  assert.deepEqual([on.allLines, on.sources, on.losses], [[], [], []]);
  assert.deepEqual(
    [...on.set.archives].map(({ file, format }) => [file.path, format]),
    [[archive, 'gzip']],
  );
  await unlink(archive);
  await on.find(archive);
  assert.deepEqual([...on.set.archives], []);
  on.close();
});

test('a file that becomes an archive in its place during a stop is not read, also if it was empty', async () => {
  const { gzipSync } = await import('node:zlib');
  for (const before of ['one\n', '']) {
    await using dir = await tempDir();
    const { on, file } = await begun(dir, before);
    on.kill();
    await writeFile(file, gzipSync('one\n'.repeat(1_000)));
    const again = new SourceFixture(dir);
    for (let scan = 0; scan < 3; scan++) {
      await again.find(dir.at('a.log*'));
      await again.deliver();
    }
    assert.deepEqual([again.allLines, again.sources, again.losses.length], [[], [], before ? 1 : 0]);
    assert.deepEqual(
      [...again.set.archives].map(({ format }) => format),
      ['gzip'],
    );
    again.close();
  }
});

// Catalogue 7: otel's rule for ephemeral files, #17846; fb #9580.
test('rotations that delete files faster than they are read lose nothing of opened files', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const names = ['a.log', 'a.log.1', 'a.log.2'].map((name) => dir.at(name));
  const written: string[] = [];
  for (let rotation = 0; rotation < 20; rotation++) {
    written.push(`line ${rotation}`);
    await writeFile(dir.at('a.log'), `line ${rotation}\n`);
    await on.find(dir.at('a.log*'));
    await unlink(dir.at('a.log.2')).catch(() => {});
    for (const at of [1, 0]) await rename(names[at] as string, names[at + 1] as string).catch(() => {});
    on.nowMs += HOUR_MS;
  }
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual([on.allLines, on.losses], [written.sort(), []]);
  on.close();
});

// Catalogue 8: fb #10414, #1108. Catalogue 9: fb PR #466, #2847: the broker is away for two
// rotations.
test('a file rotated or deleted before it was read is kept for any time, and delivered in order', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const [file, rotated] = [dir.at('a.log'), dir.at('a.log.1')];
  for (const generation of [0, 1, 2]) {
    await writeFile(file, `g${generation} 1\ng${generation} 2\nno newline`);
    await on.find(dir.at('a.log*'));
    // The one before it is replaced, which deletes it.
    if (generation < 2) await rename(file, rotated);
    for (let hour = 0; hour < 3; hour++) {
      on.nowMs += HOUR_MS;
      await on.find(dir.at('a.log*'));
    }
  }
  assert.equal(on.sources.length, 3);
  await on.deliver();
  await on.find(dir.at('a.log*'));
  await on.deliver();
  const whole = (generation: number) => [`g${generation} 1`, `g${generation} 2`, 'no newline'];
  assert.deepEqual([...on.lines.values()], [whole(0), whole(1), ['g2 1', 'g2 2']]);
  assert.deepEqual([on.sealed.length, on.losses], [2, []]);
  on.close();
});
