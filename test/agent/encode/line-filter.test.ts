import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FilterFacts, LineFilter } from '../../../agent/encode/line-filter.ts';
import { linePattern } from '../../../proto/rules/line-words.ts';

/** Which of the lines are kept if they lie one after the other, as in a chunk. */
function kept(facts: FilterFacts, lines: readonly Buffer[]): boolean[] {
  const filter = new LineFilter(facts);
  filter.begin(Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])));
  let at = 0;
  return lines.map((line) => {
    const from = at;
    at += line.length + 1;
    return filter.keeps(from, from + line.length);
  });
}

function keptTexts(facts: FilterFacts, texts: readonly string[]): string[] {
  const own = kept(
    facts,
    texts.map((text) => Buffer.from(text)),
  );
  return texts.filter((_, index) => own[index]);
}

const parts = ['a', 'ab', 'b', ' ', '.', '|', '\\', 'é', '一', '\u{1f600}', '\r', '\0'];
const texts = fc.array(fc.constantFrom(...parts), { maxLength: 6 }).map((some) => some.join(''));
const lines = fc.array(
  fc.oneof(
    texts.map((text) => Buffer.from(text)),
    fc
      .array(fc.constantFrom(0x61, 0x62, 0xc3, 0xa9, 0xff, 0xe4, 0xb8), { maxLength: 5 })
      .map((bytes) => Buffer.from(bytes)),
  ),
  { maxLength: 20 },
);
const patterns = fc.oneof(
  fc
    .array(fc.constantFrom('a', 'ab', 'b', 'é', '一', '\\.', '\\|', '\\\\', ' ', '\uFFFD', '|a', '|b'), {
      minLength: 1,
      maxLength: 4,
    })
    .map((some) => some.join('')),
  fc.constantFrom(
    '^a',
    'a$',
    '.b',
    '[ab]',
    'a|',
    '^$',
    '(?:a|é)b',
    '\\u{61}',
    '\\ud83d',
    'b+',
    '\\x61',
    '^.$',
    '\uFFFD',
  ),
);

test("for any pattern and bytes, the regular expression over each line's text decides", () => {
  fc.assert(
    fc.property(lines, fc.option(patterns, { nil: undefined }), patterns, (some, include, exclude) => {
      const expected = some.map((line) => {
        const text = line.toString();
        return (include === undefined || linePattern(include).test(text)) && !linePattern(exclude).test(text);
      });
      assert.deepEqual(kept({ ...(include !== undefined && { include }), exclude }, some), expected);
    }),
    { numRuns: 3_000 },
  );
});

test('a JSON field is judged by its text, and a record without the field is kept', () => {
  const some = [
    '{"level":"ERROR","http":{"status":500}}',
    '{"level":"INFO","http":{"status":200}}',
    '{"level":"ERR\\u004fR"}',
    '{"msg":"level ERROR"}',
    'ERROR of no object',
    '["level"]',
    '{"level":"INFO"',
    '{"level":"ERROR","level":"INFO"}',
    '{"level":null}',
  ];
  const unjudged = [some[3], some[4], some[5], some[6]];
  assert.deepEqual(keptTexts({ include: '^ERROR$', jsonField: 'level' }, some), [some[0], some[2], ...unjudged]);
  assert.deepEqual(keptTexts({ exclude: 'INFO|null', jsonField: 'level' }, some), [some[0], some[2], ...unjudged]);
  assert.deepEqual(keptTexts({ exclude: '^2..$', jsonField: 'http.status' }, some), some.toSpliced(1, 1));
  const flat = ['{"log.level":"debug","log":{"level":"error"}}'];
  assert.deepEqual(keptTexts({ exclude: 'debug', jsonField: 'log\\.level' }, flat), []);
  assert.deepEqual(keptTexts({ exclude: 'debug', jsonField: 'log.level' }, flat), flat);
});

test('a text that extends beyond the record does not match: a long line is judged by its first part', () => {
  const filter = new LineFilter({ include: 'ab' });
  filter.begin(Buffer.from('xab ab'));
  assert.deepEqual([filter.keeps(0, 2), filter.keeps(2, 5), filter.keeps(4, 6)], [false, false, true]);
});

test('a line that exhausts a pattern is kept', () => {
  const pattern = '^(?:(?:(a)|(b)|(c))*?x?)*$';
  const line = 'ab'.repeat(450_000);
  assert.throws(() => linePattern(pattern).test(line), RangeError);
  assert.deepEqual(keptTexts({ include: pattern }, [line]), [line]);
  assert.deepEqual(keptTexts({ exclude: pattern }, [line]), [line]);
});
