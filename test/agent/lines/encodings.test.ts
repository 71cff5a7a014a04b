import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { lineStartBefore } from '../../../agent/collect/read/line-starts.ts';
import { charsetFor } from '../../../agent/encode/charset.ts';
import { testFormat } from '../../support/formats.ts';
import { TurnReader } from '../../support/read-lines.ts';
import { tempDir } from '../../support/temp-dir.ts';

const utf16le = (text: string) => Buffer.from(text, 'utf16le');
const utf16be = (text: string) => utf16le(text).swap16();
const MARK = '\uFEFF';

// Catalogue 57 (beats#1349, fluent-bit 505672b96): the mark is three bytes like any others.
test("the byte order mark of a UTF-8 file stays in its first line's value", async () => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), `${MARK}one\ntwo\n`);
  using reader = new TurnReader(dir.at('a.log'), testFormat());
  await reader.read();
  assert.deepEqual(
    reader.records.map(({ value }) => value.toString()),
    [`${MARK}one`, 'two'],
  );
});

// Catalogue 59, 60 (otel's InvalidUTFReplacement and trimming are the counterexamples).
test('NUL, invalid UTF-8, leading and trailing blanks, and empty lines are delivered unchanged', async () => {
  await using dir = await tempDir();
  const lines = ['', ' \t a \t ', '\0\0', '\xff\xfe\x80', '\xc3', '', '\r'];
  writeFileSync(dir.at('a.log'), Buffer.from(`${lines.join('\n')}\n`, 'latin1'));
  using reader = new TurnReader(dir.at('a.log'), testFormat());
  await reader.read();
  assert.deepEqual(
    reader.records.map(({ value }) => value.toString('latin1')),
    lines,
  );
});

// Catalogue 56 (TestFilestreamUTF16BOMs): appended text has no mark of its own, and its first
// character may arrive in two reads.
for (const [name, bytes, mark] of [
  ['big-endian', utf16be, MARK],
  ['little-endian', utf16le, MARK],
  ['little-endian without a mark', utf16le, ''],
] as const) {
  test(`UTF-16 that is ${name} is followed byte by byte`, async () => {
    await using dir = await tempDir();
    const file = dir.at('a.log');
    using reader = new TurnReader(file, testFormat({ encoding: 'utf-16' }));
    const content = bytes(`${mark}one ਊ\nĊ 😀\n`);
    for (const byte of content) {
      appendFileSync(file, Buffer.of(byte));
      await reader.read();
    }
    assert.deepEqual(
      reader.records.map(({ value, headers }) => [value.toString(), headers['logfleet.range']]),
      [
        ['one ਊ', `0-${12 + 2 * mark.length}`],
        ['Ċ 😀', `${12 + 2 * mark.length}-${content.length}`],
      ],
    );
    const position = content.length - 2;
    const start = await lineStartBefore(reader.fd, position, charsetFor({ encoding: 'utf-16' }));
    assert.equal(start, 12 + 2 * mark.length, 'U+010A is no line start');
    using later = new TurnReader(file, testFormat({ encoding: 'utf-16' }), { position: start });
    await later.read();
    assert.equal(later.records[0]?.value.toString(), 'Ċ 😀');
  });
}

// Catalogue 50 (fluent-bit skip_empty_lines_crlf): with crlf a lone LF or CR is content.
test('with crlf only CR LF ends a line, also when looking for a start', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, 'a\nb\r\n\r\nc\rd\ne');
  using reader = new TurnReader(file, testFormat({ terminator: 'crlf' }));
  await reader.read();
  assert.deepEqual(
    reader.records.map(({ value }) => value.toString()),
    ['a\nb', ''],
  );
  assert.equal(await lineStartBefore(reader.fd, 12, charsetFor({ terminator: 'crlf' })), 7);
});
