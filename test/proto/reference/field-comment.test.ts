import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFieldComment } from '../../../proto/reference/field-comment.ts';

test('the last paragraph of a comment can be tags, which may continue on further lines', () => {
  const comment = ' One\n two.\n\n Three:\n - a\n - b\n\n Required.\n Values: `x`,\n `y`.\n Example: `f: [a]`\n';
  assert.deepEqual(parseFieldComment(comment), {
    description: ['One\ntwo.', 'Three:\n- a\n- b'],
    required: true,
    outputOnly: false,
    values: '`x`,\n`y`',
    example: 'f: [a]',
  });
});

test('a comment without tags is only a description', () => {
  const plain = { description: ['The default: none.'], required: false, outputOnly: false };
  assert.deepEqual(parseFieldComment(' The default: none.\n'), plain);
  assert.deepEqual(parseFieldComment(''), { ...plain, description: [] });
});
