import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindNames, kinds } from '../../../cli/kinds/kinds.ts';
import { parseOneTarget, parseTarget } from '../../../cli/kinds/target.ts';

test('every kind is found by its singular and its plural', () => {
  for (const kind of kindNames)
    for (const word of [kinds[kind].singular, kinds[kind].plural])
      assert.deepEqual(parseTarget([word]), { kind, names: [] });
});

test('names follow the kind, or each has the kind before a slash', () => {
  assert.deepEqual(parseTarget(['entry', 'a', 'b']), { kind: 'entry', names: ['a', 'b'] });
  assert.deepEqual(parseTarget(['entry/a', 'entries/b']), { kind: 'entry', names: ['a', 'b'] });
  assert.deepEqual(parseOneTarget(['agent', 'a'], ['agent']), { kind: 'agent', name: 'a' });
});

test('an error names the word that is wrong and what to give instead', () => {
  const wrong: [string[], RegExp][] = [
    [[], /^give a kind, entries or agents, and names$/],
    [['things'], /^"things" is not a kind: give entries or agents$/],
    [['loss'], /^"loss" does not fit this command: give entries or agents$/],
    [['entry/a', 'agent/b'], /^agent\/b: give names of one kind, such as entry\/a entry\/b$/],
    [['entry/a/b'], /^entry\/a\/b: give names of one kind/],
    [['entry/a', 'b'], /^b: give names of one kind/],
  ];
  for (const [words, message] of wrong) assert.throws(() => parseTarget(words, ['entry', 'agent']), { message });
  for (const words of [['entry'], ['entry', 'a', 'b']])
    assert.throws(() => parseOneTarget(words, ['entry']), { message: 'name one entry, such as entry NAME' });
});
