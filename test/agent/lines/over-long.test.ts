import assert from 'node:assert/strict';
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { testFormat } from '../../support/formats.ts';
import { TurnReader } from '../../support/read-lines.ts';
import { tempDir } from '../../support/temp-dir.ts';

const GIB = 1024 ** 3;
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

// Catalogue 51: a gigabyte without a newline (vector file_max_line_bytes, fluent-bit issue 3943,
// imfile-discard-truncated-line.sh).
for (const [overLong, records, flags] of [
  ['drop', 2, undefined],
  ['truncate', 3, 'truncated'],
] as const) {
  test(`a gigabyte without a newline needs no memory to ${overLong}, and the next line is whole`, async () => {
    await using dir = await tempDir();
    const file = dir.at('a.log');
    writeFileSync(file, 'before\nx');
    truncateSync(file, GIB);
    appendFileSync(file, '\nafter\n');
    using reader = new TurnReader(file, testFormat({ overLong, maxLineBytes: 1024 }));
    const before = process.memoryUsage.rss();
    await reader.read();
    assert.ok(process.memoryUsage.rss() - before < MEMORY_BYTES_MAX);
    const seen = reader.records.map(({ value, headers }) => [value.length, headers['logfleet.range']]);
    const end = 7 + 1024;
    const cutFrom = overLong === 'drop' ? 7 : end;
    assert.deepEqual(seen.at(-1), [5, `${cutFrom}-${GIB + 7}`]);
    assert.equal(seen.length, records);
    assert.equal(reader.records.at(-2)?.headers['logfleet.flags'], flags);
    const cuts = reader.segments.flatMap(({ segment }) => segment.cut ?? []);
    assert.equal(
      cuts.reduce((sum, { bytes }) => sum + bytes, 0),
      GIB + 1 - cutFrom,
    );
    assert.ok(cuts.length <= GIB / (64 * 1024 * 1024) + 1, `${cuts.length} facts`);
  });
}

// Catalogue 53 (vector#7229).
test('the position advances when all lines are too long and none is sent', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `${'x'.repeat(5_000)}\n`.repeat(1_000));
  using reader = new TurnReader(file, testFormat({ overLong: 'drop', maxLineBytes: 1024 }));
  await reader.read();
  assert.equal(reader.reader.position, 5_001 * 1_000);
  assert.equal(reader.records.length, 0);
  assert.ok(reader.segments.length < 10, 'not a fact for each line');
  appendFileSync(file, 'short\n');
  await reader.read();
  assert.equal(reader.records[0]?.headers['logfleet.range'], '0-5001006');
});

// Catalogue 51: exactly at the limit, and one byte above.
test('a line of the maximum length is whole under every policy, with a CR after it or without', async () => {
  await using dir = await tempDir();
  for (const overLong of ['split', 'truncate', 'drop'] as const) {
    const file = dir.at(`${overLong}.log`);
    using reader = new TurnReader(file, testFormat({ overLong, maxLineBytes: 1024, terminator: 'crlf' }));
    for (const part of ['x'.repeat(1024), '\r', '\n', 'y'.repeat(1025), '\r', '\nz\r\n']) {
      appendFileSync(file, part);
      await reader.read();
    }
    const values = reader.records.map(({ value }) => value.length);
    const rest = { split: [1024, 1, 1], truncate: [1024, 1], drop: [1] }[overLong];
    assert.deepEqual(values, [1024, ...rest], overLong);
  }
});

test('a returned piece of a line is sent as before, up to the next piece, although the entry now drops it', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  // The first part ends with what may be half a terminator.
  writeFileSync(file, `${'x'.repeat(1023)}\r${'y'.repeat(1024)}\r\nz\r\n`);
  using reader = new TurnReader(file, testFormat({ maxLineBytes: 1024, terminator: 'crlf' }), {}, () => 1);
  const [piece] = await reader.read();
  assert.equal(piece?.segment.end, 1024);
  reader.reader.returned.add((piece as NonNullable<typeof piece>).segment);
  reader.format = testFormat({ maxLineBytes: 1023, terminator: 'crlf', overLong: 'drop' });
  const again = await reader.read();
  assert.deepEqual(
    again.map(({ segment }) => [segment.start, segment.end, segment.lines]),
    [[0, 1024, 1]],
  );
});

test("a returned line keeps the topic's limit, although the entry's is lower now", async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `${'x'.repeat(3000)}\n`);
  using reader = new TurnReader(file, testFormat({ maxLineBytes: 4000 }));
  const [line] = await reader.read();
  reader.reader.returned.add((line as NonNullable<typeof line>).segment);
  reader.format = testFormat({ maxLineBytes: 1024 });
  reader.lineBytesMax = 2048;
  const again = await reader.read();
  assert.deepEqual(
    again.flatMap(({ records }) => records.map(({ value }) => value.length)),
    [2048, 952],
  );
});
