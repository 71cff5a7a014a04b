import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { charsetOfFile } from '../../../agent/collect/read/line-starts.ts';
import { SegmentReader } from '../../../agent/collect/read/segment-reader.ts';
import type { FormatFacts } from '../../../agent/encode/line-format.ts';
import { ContiguousPosition } from '../../../agent/model/contiguous-position.ts';
import { coveredRange } from '../../../agent/model/position.ts';
import type { Encoding } from '../../../proto/rules/line-words.ts';
import { cycle, entries, factsOf, files, forms, MARKS, ways } from '../../support/any-files.ts';
import { testFormat } from '../../support/formats.ts';
import { type Expected, expectedRecords } from '../../support/line-oracle.ts';
import { type ReadSegment, rebuilt, TurnReader } from '../../support/read-lines.ts';
import { tempDir } from '../../support/temp-dir.ts';

async function readGrowing(
  file: string,
  content: Buffer,
  way: { growths: number[]; batches: number[] },
  facts: Partial<FormatFacts>,
) {
  writeFileSync(file, '');
  const reader = new TurnReader(file, testFormat(facts), {}, cycle(way.batches));
  const growth = cycle(way.growths);
  for (let at = 0; at < content.length; ) {
    const next = at + growth();
    appendFileSync(file, content.subarray(at, next));
    await reader.read();
    at = next;
  }
  await reader.read({ size: content.length, sealed: true });
  return reader;
}

function assertTiles(segments: readonly ReadSegment[], size: number): void {
  let at = 0;
  for (const { segment } of segments) {
    assert.equal(segment.start, at);
    at = segment.end;
  }
  assert.equal(at, size);
}

function cutOf(segments: readonly ReadSegment[]): number {
  return segments.reduce((sum, { segment }) => sum + (segment.cut?.bytes ?? 0), 0);
}

function filteredOf(segments: readonly ReadSegment[]): number {
  return segments.reduce((sum, { segment }) => sum + (segment.filteredCount ?? 0), 0);
}

function bytesOf(segments: readonly ReadSegment[]): number {
  return segments.reduce((sum, { segment }) => sum + segment.end - segment.start, 0);
}

function seen(reader: { records: TurnReader['records'] }): Expected[] {
  return reader.records.map(({ value, headers }) => {
    const [start, end] = (headers['logfleet.range'] as string).split('-').map(Number) as [number, number];
    return { value: value.toString(), start, end, flags: headers['logfleet.flags'] ?? '' };
  });
}

// Catalogue C and J: incomplete lines, CR and LF in two reads (fb skip_empty_lines_crlf,
// TestFilestreamEmptyLinesOnly), lines that are too long (vector file_max_line_bytes,
// imfile-discard-truncated-line.sh), cut within a character (fb truncate_long_lines_utf8), read
// within a character (otel SmileyFaceUTF16), groups cut by a read (otel log-collection PR #303).
test('for any text, encoding, rules and read times: the records are those of the whole file, and tile', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  await fc.assert(
    fc.asyncProperty(
      files,
      forms,
      entries.multiline,
      entries.filter,
      ways,
      async ({ encoding, characters }, form, multiline, filter, way) => {
        const mark = MARKS[encoding] ?? Buffer.alloc(0);
        const content = Buffer.concat([mark, ...characters.map(([, own]) => own)]);
        const facts = { encoding, ...factsOf({ form, multiline, filter }) };
        using reader = await readGrowing(file, content, way, facts);
        assertTiles(reader.segments, content.length);
        const base = { host: 'h', entry: 'e', headers: 'standard', patternBytes: form.maxLineBytes - 4 } as const;
        const { records, cut, filtered } = expectedRecords(characters, { ...base, ...facts }, mark.length);
        assert.deepEqual(seen(reader), records);
        assert.equal(cutOf(reader.segments), cut);
        assert.equal(filteredOf(reader.segments), filtered);
      },
    ),
    { numRuns: 400 },
  );
});

// Exactly once after a crash depends on it: a batch is rebuilt from the bytes of its ranges
// (catalogue 48, 117; vector test_multi_line_checkpointing).
test("for any bytes and rules: a segment's range read again gives the same records, in batches of any size", async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  const content = fc
    .array(
      fc.constantFrom(
        'a',
        'b',
        ' ',
        '\n',
        '\n',
        '\r\n',
        '\r',
        '\0',
        'é',
        '\u{1f600}',
        '\xff\xf0',
        '\xf0\xf0',
        '\xe4\xb8',
      ),
      { maxLength: 150, size: 'max' },
    )
    .map((parts) => Buffer.from(parts.join(''), 'latin1'));
  const encodings = fc.constantFrom<Encoding>('utf-8', 'utf-8', 'utf-16', 'gb18030', 'shift_jis', 'latin1');
  const lull = fc.boolean();
  await fc.assert(
    fc.asyncProperty(
      content,
      encodings,
      forms,
      entries.multiline,
      entries.filter,
      ways,
      lull,
      async (whole, encoding, form, multiline, filter, way, quiet) => {
        const facts = { encoding, ...factsOf({ form, multiline, filter }) };
        const format = testFormat(facts);
        writeFileSync(file, '');
        using reader = new TurnReader(file, format, {}, cycle(way.batches));
        const growth = cycle(way.growths);
        for (let at = 0; at < whole.length; ) {
          const next = at + growth();
          appendFileSync(file, whole.subarray(at, next));
          await reader.read();
          // A multiline record is sent after its timeout.
          if (quiet) reader.nowMs += 1_000;
          await reader.read();
          at = next;
        }
        await reader.read({ size: whole.length, sealed: true });
        assertTiles(reader.segments, whole.length);
        const first = [...reader.segments];
        const { charset } = await charsetOfFile(reader.fd, format.charset);
        const own = first.filter(({ segment }) => segment.lines > 0);
        for (const segment of own)
          assert.deepEqual(rebuilt(reader.fd, segment, { ...format, charset }), segment.encoded);
        for (const { segment } of own) reader.reader.returned.add(segment);
        const before = seen(reader);
        const again = await reader.read();
        assert.deepEqual(
          again.flatMap((segment) => seen({ records: segment.records })),
          before,
        );
        assert.equal(cutOf(again), cutOf(own));
        assert.equal(bytesOf(again), bytesOf(own));
      },
    ),
    { numRuns: 400 },
  );
});

// Each segment that was read before the kill has an intent, in order. Kafka says which of them it
// has (catalogue 48).
test('an agent killed at any moment continues with the same records, whatever Kafka has and the entry says', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  await fc.assert(
    fc.asyncProperty(
      files,
      forms,
      entries.multiline,
      entries.filter,
      ways,
      fc.record({ read: fc.nat(), had: fc.array(fc.boolean(), { minLength: 1, maxLength: 9 }) }),
      fc.option(fc.record({ ...entries, form: forms }), { nil: undefined }),
      async ({ encoding, characters }, form, multiline, filter, way, { read, had }, changed) => {
        const facts = { encoding, ...factsOf({ form, multiline, filter }) };
        const after = changed ? { encoding, ...factsOf(changed) } : facts;
        const content = Buffer.concat([MARKS[encoding] ?? Buffer.alloc(0), ...characters.map(([, own]) => own)]);
        using reader = await readGrowing(file, content, way, facts);
        const { segments } = reader;
        const known = segments.slice(0, read % (segments.length + 1));
        const isThere = ({ segment }: ReadSegment, at: number) => segment.lines === 0 || had[at % had.length];
        const whole = known.map(({ segment }) => ({ ...segment, generation: 'g' }));
        const position = new ContiguousPosition({ position: 0, rangeEnd: 0, lineState: undefined, ahead: [] });
        for (const [at, segment] of whole.entries())
          if (isThere(known[at] as ReadSegment, at)) position.add(coveredRange(segment));
        const returned = whole.filter((_, at) => !isThere(known[at] as ReadSegment, at));
        // As it is read from the disk.
        const reached = JSON.parse(JSON.stringify(position.progress));
        const from = SegmentReader.fromProgress(reached, [], returned);
        using second = new TurnReader(file, testFormat(after), from);
        await second.read({ size: content.length, sealed: true });
        const cameBack = segments.filter((segment, at) => at < known.length && !isThere(segment, at));
        const records = seen(second);
        const again = seen({ records: cameBack.flatMap((segment) => segment.records) });
        assert.deepEqual(records.slice(0, again.length), again);
        const rest = records.slice(again.length);
        if (rest[0]) assert.equal(rest[0].start, whole.at(-1)?.rangeEnd ?? 0);
        if (changed) return;
        assert.deepEqual(rest, seen({ records: segments.slice(known.length).flatMap((segment) => segment.records) }));
      },
    ),
    { numRuns: 400 },
  );
});
