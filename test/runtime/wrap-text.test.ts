import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indentText, wrapText } from '../../runtime/wrap-text.ts';

test('text is wrapped within paragraphs, and a long word keeps its own line', () => {
  assert.equal(wrapText('one two\nthree four', 9), 'one two\nthree\nfour');
  assert.equal(wrapText('a bb\n\nccc dd', 4), 'a bb\n\nccc\ndd');
  assert.equal(wrapText('to https://example.com now', 6), 'to\nhttps://example.com\nnow');
});

test('items have their own lines, and their text is indented', () => {
  assert.equal(wrapText('Steps:\n- one two three\n- four', 9), 'Steps:\n- one two\n  three\n- four');
});

test('empty lines are not indented', () => assert.equal(indentText('a\n\nb', '  '), '  a\n\n  b'));
