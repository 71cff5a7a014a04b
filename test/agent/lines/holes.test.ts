import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { testFormat } from '../../support/formats.ts';
import { rebuilt, TurnReader } from '../../support/read-lines.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MIB = 1024 * 1024;
const nuls = (bytes: number) => '\0'.repeat(bytes);

function rangesOf({ records }: Pick<TurnReader, 'records'>): [string, string][] {
  return records.map(({ value, headers }) => [value.toString('latin1'), headers['logfleet.range'] as string]);
}

// A writer without O_APPEND continues at its old offset after a truncation (copytruncate).
for (const [name, bytes] of [
  ['a hundred bytes', 100],
  ['more than a read', 3 * MIB + 7],
] as const) {
  test(`a hole of ${name} at a line's start is passed over, and the line after it is whole`, async () => {
    await using dir = await tempDir();
    const file = dir.at('a.log');
    writeFileSync(file, `${nuls(bytes)}one\ntwo\n`);
    using reader = new TurnReader(file, testFormat());
    await reader.read();
    const { segments } = reader;
    assert.deepEqual(rangesOf(reader), [
      ['one', `0-${bytes + 4}`],
      ['two', `${bytes + 4}-${bytes + 8}`],
    ]);
    for (const { segment } of segments) assert.equal(segment.cut, undefined);
    for (const segment of segments.filter(({ segment: { lines } }) => lines > 0))
      assert.deepEqual(rebuilt(reader.fd, segment, testFormat()), segment.encoded);
  });
}

test('fewer than 16 NULs at the start of a line, and NULs within it, are content', async () => {
  await using dir = await tempDir();
  const lines = [nuls(15), `${nuls(15)}a`, `a${nuls(40)}b`, `b${nuls(40)}`];
  writeFileSync(dir.at('a.log'), `${lines.join('\n')}\n${nuls(16)}c\n`);
  using reader = new TurnReader(dir.at('a.log'), testFormat());
  await reader.read();
  assert.deepEqual(
    rangesOf(reader).map(([value]) => value),
    [...lines, 'c'],
  );
});

for (const encoding of ['utf-16le', 'utf-16be'] as const) {
  test(`a hole in ${encoding} ends where a character begins`, async () => {
    await using dir = await tempDir();
    const text = Buffer.from(`one\n${nuls(40)}two\na${nuls(40)}\n`, 'utf16le');
    writeFileSync(dir.at('a.log'), encoding === 'utf-16be' ? text.swap16() : text);
    using reader = new TurnReader(dir.at('a.log'), testFormat({ encoding }));
    await reader.read();
    assert.deepEqual(rangesOf(reader), [
      ['one', '0-8'],
      ['two', '8-96'],
      [`a${nuls(40)}`, '96-180'],
    ]);
  });
}

test('a hole ends a multiline record', async () => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), `a\n b\n${nuls(50)} c\na\n`);
  using reader = new TurnReader(
    dir.at('a.log'),
    testFormat({ multiline: { start: '^a', timeoutMs: 1_000, maxLines: 9 } }),
  );
  await reader.read({ size: 0, sealed: true });
  assert.deepEqual(rangesOf(reader), [
    ['a\n b', '0-5'],
    [' c', '5-58'],
    ['a', '58-60'],
  ]);
});
