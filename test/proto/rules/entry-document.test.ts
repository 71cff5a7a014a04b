import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryDocuments, entryFromDocument, entryToDocument } from '../../../proto/rules/entry-document.ts';

const good = { name: 'app', paths: ['/var/log/*.log'], topic: 'app' };

test('entries are read from a list, from a list below "entries", from several documents and from JSON', () => {
  const one = '{name: a, paths: [/a], topic: t}';
  const texts = [
    `entries:\n- ${one}\n- ${one.replace('a,', 'b,')}`,
    `- ${one}\n- ${one.replace('a,', 'b,')}`,
    `${one}\n---\n${one.replace('a,', 'b,')}\n---\n# nothing\n`,
    JSON.stringify({
      entries: [
        { ...good, name: 'a' },
        { ...good, name: 'b' },
      ],
    }),
  ];
  for (const text of texts) {
    const documents = entryDocuments(text, 'f.yaml');
    assert.deepEqual(
      documents.map(({ entry, violations }) => [entry.name, violations]),
      [
        ['entries/a', []],
        ['entries/b', []],
      ],
    );
  }
  assert.deepEqual(entryDocuments('', 'f.yaml'), []);
  assert.deepEqual(entryDocuments('entries:', 'f.yaml'), []);
});

test('text that is not YAML or contains no entries is rejected with the file and the position', () => {
  assert.throws(() => entryDocuments('entries: [', 'f.yaml'), /f\.yaml: .*line 1/);
  assert.throws(() => entryDocuments('entries: 5', 'f.yaml'), /f\.yaml: "entries" must be a list/);
  assert.throws(
    () => entryDocuments('entries: []\nmore: 1', 'f.yaml'),
    /"entries" must be the only key of its document/,
  );
  assert.throws(() => entryDocuments('hello', 'f.yaml'), /expected entries, found the string "hello"/);
});

test('every violation names its field, and every entry the line where it begins', () => {
  const [, second] = entryDocuments('- {name: a, paths: [/a], topic: t}\n- name: b\n  pats: [/x]\n  topic: 5\n', 'f');
  assert.equal(second?.where, 'f:2');
  const texts = second?.violations.map(({ field, description }) => `${field}: ${description}`) ?? [];
  assert.deepEqual(texts, [
    'pats: is not a field of an entry: did you mean "paths"?',
    'topic: expected a string, found the number 5',
    'paths: is required: list at least one glob',
  ]);
  assert.deepEqual(entryFromDocument('x').violations[0]?.description, 'expected an entry, found the string "x"');
});

test('a word for a boolean is refused, and the error names the values that are accepted', () => {
  for (const text of ['yes', 'no', 'on', '"true"']) {
    const [document] = entryDocuments(`{name: a, paths: [/a], topic: t, paused: ${text}}`, 'f.yaml');
    assert.deepEqual(document?.violations, [
      {
        field: 'paused',
        description: `expected true or false, without quotes, found the string ${JSON.stringify(text.replaceAll('"', ''))}`,
      },
    ]);
  }
});

test('an entry that is printed and parsed again is equal', () => {
  const full = { ...good, exclude: ['**/*.gz'], selector: 'env=prod', paused: true, labels: { team: 'a' } };
  const { entry, violations } = entryFromDocument({ ...full, max_line_bytes: 2048, start: 'end' });
  assert.deepEqual(violations, []);
  assert.deepEqual(entryFromDocument(entryToDocument(entry)).entry, entry);
});
