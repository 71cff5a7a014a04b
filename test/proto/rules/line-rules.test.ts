import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryDocuments, entryFromDocument, entryToDocument } from '../../../proto/rules/entry-document.ts';
import { withEntryDefaults } from '../../../proto/rules/entry-rules.ts';
import { ENCODINGS } from '../../../proto/rules/line-words.ts';

const good = { name: 'app', paths: ['/var/log/*.log'], topic: 'app' };

function violationsOf(more: Record<string, unknown>): string[] {
  return entryFromDocument({ ...good, ...more }).violations.map(({ field, description }) => `${field}: ${description}`);
}

test('the fields for reading lines are parsed, and their defaults are filled in', () => {
  const text = `
name: app
paths: [/a]
topic: t
over_long: truncate
terminator: crlf
encoding: gb18030
multiline: {start: '^\\d{4}-', max_lines: 100}
filter: {include: 'ERROR|WARN', json_field: log\\.level}
`;
  const [document] = entryDocuments(text, 'f.yaml');
  assert.deepEqual(document?.violations, []);
  const entry = withEntryDefaults(document?.entry as NonNullable<typeof document>['entry']);
  assert.deepEqual(
    [entry.overLong, entry.terminator, entry.encoding, entry.multiline],
    ['truncate', 'crlf', 'gb18030', { start: '^\\d{4}-', continuation: '', timeoutMs: 1_000, maxLines: 100 }],
  );
  assert.deepEqual(entry.filter, { include: 'ERROR|WARN', exclude: '', jsonField: 'log\\.level' });
  assert.deepEqual(entryFromDocument(entryToDocument(entry)).entry, entry);
  const plain = withEntryDefaults(entryFromDocument(good).entry);
  assert.deepEqual(
    [plain.overLong, plain.terminator, plain.encoding, plain.multiline],
    ['split', 'lf', 'utf-8', undefined],
  );
});

test('every encoding is one that Node can decode', () => {
  for (const encoding of ENCODINGS) {
    assert.deepEqual(violationsOf({ encoding }), []);
    assert.equal(typeof new TextDecoder(encoding).decode(Buffer.from('a')), 'string', encoding);
  }
});

test('an invalid value is rejected with the field, the value and the remedy', () => {
  const cases: [Record<string, unknown>, RegExp[]][] = [
    [{ over_long: 'cut' }, [/^over_long: "cut" is not one of split, truncate, drop$/]],
    [{ terminator: 'cr' }, [/^terminator: "cr" is not one of lf, crlf$/]],
    [{ encoding: 'UTF8' }, [/^encoding: "UTF8" is not one of utf-8, utf-16, /]],
    [
      { encoding: 'gbk', max_line_bytes: 900_000 },
      [/^max_line_bytes: 900000 is out of range: use 1024 to 300000, because a line in gbk can/],
    ],
    [{ encoding: 'utf-8', max_line_bytes: 900_000 }, []],
    [{ multiline: {} }, [/^multiline: has no pattern: set "start" or "continuation"$/]],
    [{ multiline: { start: 'a', continuation: 'b' } }, [/^multiline: has both/]],
    [{ multiline: { start: '(' } }, [/^multiline\.start: Invalid regular expression: .*Unterminated group/]],
    [{ multiline: { start: '\\Aa' } }, [/^multiline\.start: Invalid regular expression: .*escape/]],
    [
      { multiline: { start: 'x'.repeat(2_000) } },
      [/^multiline\.start: 2000 characters are too many: use at most 1024$/],
    ],
    [
      { multiline: { continuation: '[', timeout_ms: -1, max_lines: 1 } },
      [
        /^multiline\.continuation: Invalid/,
        /^multiline\.timeout_ms: -1 is out of range: use 10 to 600000$/,
        /^multiline\.max_lines: 1 is out of range: use 2 to 100000$/,
      ],
    ],
    [{ filter: {} }, [/^filter: has no pattern: set "include", "exclude" or both$/]],
    [{ filter: { json_field: 'a' } }, [/^filter: has no pattern/]],
    [
      { filter: { include: '(', exclude: '[z-a]', json_field: 'a..b' } },
      [
        /^filter\.include: Invalid regular expression: .*Unterminated group/,
        /^filter\.exclude: Invalid regular expression: .*out of order/,
        /^filter\.json_field: "a\.\.b" is not a path of keys: separate keys with dots/,
      ],
    ],
    [{ filter: { exclude: 'a', json_field: '$.a\\b' } }, [/^filter\.json_field: "\$\.a\\\\b" is not a path/]],
    [
      { filter: { exclude: 'x'.repeat(1_025), json_field: 'x'.repeat(257) } },
      [/^filter\.exclude: 1025 characters/, /^filter\.json_field: 257 characters/],
    ],
    [{ filter: { exclude: 'x', json_field: 'log\\.level.é' } }, []],
    [
      { filter: { incude: 'x', exclude: 'y' } },
      [/^filter\.incude: is not a field of filter: did you mean "include"\?$/],
    ],
    [{ filter: 'x' }, [/^filter: expected a map with include, exclude, json_field, found the string "x"$/]],
    [
      { multiline: 'x' },
      [/^multiline: expected a map with start, continuation, timeout_ms, max_lines, found the string "x"$/],
    ],
    [
      { multiline: { start: 5, patern: 'x', continuation: 'y' } },
      [/^multiline\.start: expected a string, found the number 5$/, /^multiline\.patern: is not a field of multiline/],
    ],
  ];
  for (const [more, expected] of cases) {
    const all = violationsOf(more);
    assert.equal(all.length, expected.length, all.join('\n'));
    for (const pattern of expected)
      assert.ok(
        all.some((text) => pattern.test(text)),
        `${pattern} among ${all.join('\n')}`,
      );
  }
});
