import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Encoding } from '../../../proto/rules/line-words.ts';
import { testFormat } from '../../support/formats.ts';
import { TurnReader } from '../../support/read-lines.ts';
import { HOUR_MS, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

// Catalogue 46 (vector test_split_reads, #21084; otel TestSplitWrite, #21893; nxadm
// TestIncompleteLines).
test('a line whose halves are written an hour apart is one record, from its first byte', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  writeFileSync(dir.at('a.log'), 'one\ntw');
  await on.scan([dir.at('a.log')]);
  await on.deliver();
  on.nowMs += HOUR_MS;
  await on.scan([dir.at('a.log')]);
  await on.deliver();
  assert.deepEqual([on.allLines, on.sources[0]?.position], [['one'], 4]);
  appendFileSync(dir.at('a.log'), 'o\n');
  await on.scan([dir.at('a.log')]);
  await on.deliver();
  assert.deepEqual([on.allLines, on.sources[0]?.position], [['one', 'two'], 8]);
  on.close();
});

// Catalogue 48 (fluent-bit flb_tail_file_db_offset, logstash-input-file #151): an incomplete line
// is never stored as read.
test('a line half read at a kill is sent whole by the next process', async () => {
  await using dir = await tempDir();
  const killed = new SourceFixture(dir);
  writeFileSync(dir.at('a.log'), 'one\ntw');
  await killed.scan([dir.at('a.log')]);
  await killed.deliver();
  killed.kill();
  appendFileSync(dir.at('a.log'), 'o\n');
  const on = new SourceFixture(dir);
  await on.scan([dir.at('a.log')]);
  await on.deliver();
  assert.deepEqual(on.allLines, ['two']);
  on.close();
});

// Catalogue 50 (TestFilestreamEmptyLinesOnly, otel TestMultipleEmpty, vector
// file_read_empty_lines).
test('each empty line is a record, also in a file of empty lines', async () => {
  await using dir = await tempDir();
  for (const [terminator, content, ranges] of [
    ['lf', '\n\n\n', ['0-1', '1-2', '2-3']],
    ['crlf', '\r\n\r\n', ['0-2', '2-4']],
  ] as const) {
    writeFileSync(dir.at(terminator), content);
    using reader = new TurnReader(dir.at(terminator), testFormat({ terminator }));
    await reader.read();
    assert.deepEqual(
      reader.records.map(({ value, headers }) => [value.length, headers['logfleet.range']]),
      ranges.map((range) => [0, range]),
    );
    assert.equal(reader.reader.position, content.length);
  }
});

const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();

// Catalogue 55 (loong LogMultiBytesUnittest, otel SmileyFaceUTF16): each line is a batch and begins
// with a read of 64 KiB, which ends within the line.
for (const [encoding, encode] of [
  ['utf-8', (text) => Buffer.from(text)],
  ['utf-16be', utf16be],
] as const satisfies [Encoding, (text: string) => Buffer][]) {
  test(`characters of ${encoding} across the ends of reads are whole`, async () => {
    await using dir = await tempDir();
    const lines = Array.from({ length: 60 }, (_, index) => 'a'.repeat(index) + '😀'.repeat(900 * (index % 40)));
    writeFileSync(dir.at('a.log'), encode(`${lines.join('\n')}\n`));
    using reader = new TurnReader(dir.at('a.log'), testFormat({ encoding, maxLineBytes: 300_000 }), {}, () => 1);
    await reader.read();
    assert.deepEqual(
      reader.records.map(({ value }) => value.toString()),
      lines,
    );
  });
}
