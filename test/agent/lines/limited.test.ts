import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { testFormat } from '../../support/formats.ts';
import { TurnReader } from '../../support/read-lines.ts';
import { tempDir } from '../../support/temp-dir.ts';

const lines = fc.array(
  fc.oneof(fc.nat(200), fc.nat(9_000)).map((length) => `${length} ${'é'.repeat(length)}\n`),
  { minLength: 1, maxLength: 40 },
);

test('however short the reads are, the records are the same, also of lines longer than a read', async () => {
  await using dir = await tempDir();
  const formats = fc.record({
    encoding: fc.constantFrom('utf-8', 'utf-16le', 'latin1'),
    overLong: fc.constantFrom('split', 'truncate', 'drop'),
    multiline: fc.option(fc.constant({ start: '^[0-4]', timeoutMs: 1_000, maxLines: 10 }), { nil: undefined }),
  });
  let files = 0;
  await fc.assert(
    fc.asyncProperty(lines, formats, fc.integer({ min: 1, max: 3_000 }), async (parts, facts, allowed) => {
      const file = dir.at(`${files++}.log`);
      const encoding = facts.encoding === 'utf-16le' ? 'utf16le' : facts.encoding === 'latin1' ? 'latin1' : 'utf8';
      writeFileSync(file, parts.join(''), encoding);
      const { multiline, ...rest } = facts;
      const format = testFormat({ ...rest, ...(multiline && { multiline }), maxLineBytes: 4_096 } as object);
      using free = new TurnReader(file, format);
      using limited = new TurnReader(file, format);
      limited.allowed = allowed;
      await free.read();
      await limited.read();
      const seen = ({ records }: TurnReader) => records.map(({ value, headers }) => [String(value), headers]);
      assert.deepEqual(seen(limited), seen(free));
      assert.equal(limited.reader.position, free.reader.position);
    }),
    { numRuns: 150 },
  );
});

test('a limited read reads what is allowed, or little more than one line', async () => {
  await using dir = await tempDir();
  const short = `${'x'.repeat(99)}\n`;
  writeFileSync(dir.at('a.log'), `${short.repeat(1_000)}${'y'.repeat(99_999)}\n${short.repeat(1_000)}`);
  using reader = new TurnReader(dir.at('a.log'), testFormat({ maxLineBytes: 200_000 }));
  reader.allowed = 5_000;
  await reader.read();
  const sizes = reader.segments.map(({ segment }) => segment.end - segment.start);
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    300_000,
  );
  const [longest = 0, next] = sizes.sort((a, b) => b - a);
  assert.ok(longest <= 200_000, `${longest}`);
  assert.equal(next, 5_000);
});
