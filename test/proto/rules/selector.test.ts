import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseSelector } from '../../../proto/rules/selector.ts';

const keys = ['env', 'role', 'example.com/zone'];
const values = ['', 'prod', 'stage', 'a.b_c-1'];
type Labels = Record<string, string>;

/** A requirement as text in one of its spellings, and what it means, said another way. */
const requirement = fc
  .record({
    key: fc.constantFrom(...keys),
    some: fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }),
    kind: fc.constantFrom('=', '==', '!=', 'in', 'notin', 'exists', 'absent'),
    space: fc.constantFrom('', ' '),
  })
  .map(({ key, some, kind, space }) => {
    const list = `(${some.join(`${space},${space}`)})`;
    const [value = ''] = some;
    switch (kind) {
      case '=':
      case '==':
        return { text: `${key}${space}${kind}${space}${value}`, holds: (labels: Labels) => labels[key] === value };
      case '!=':
        return { text: `${key}${space}!=${space}${value}`, holds: (labels: Labels) => labels[key] !== value };
      case 'in':
        return {
          text: `${key} in ${list}`,
          holds: (labels: Labels) => key in labels && some.includes(labels[key] as string),
        };
      case 'notin':
        return {
          text: `${key} notin ${list}`,
          holds: (labels: Labels) => !(key in labels) || !some.includes(labels[key] as string),
        };
      case 'exists':
        return { text: key, holds: (labels: Labels) => key in labels };
      default:
        return { text: `!${space}${key}`, holds: (labels: Labels) => !(key in labels) };
    }
  });
const labelSets = fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...values));

test('a selector matches exactly the labels for which each of its requirements holds', () => {
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), labelSets, (requirements, labels) => {
      const selector = parseSelector(requirements.map(({ text }) => text).join(','));
      assert.equal(
        selector.matches(labels),
        requirements.every(({ holds }) => holds(labels)),
      );
    }),
    { numRuns: 2_000 },
  );
});

test('an invalid selector is rejected with the position and the remedy', () => {
  const cases: [string, RegExp][] = [
    ['env in (prod', /invalid at its end: expected "," or "\)"/],
    ['env=prod role=web', /invalid at "role" \(character 10\): put a comma/],
    ['env=prod,', /invalid at its end: expected a label key/],
    [',env', /invalid at "," \(character 1\)/],
    ['-env', /invalid at "-env" \(character 1\): expected a label key/],
    ['env=-x', /invalid at "-x" \(character 5\): expected a label value/],
    [`${'k'.repeat(64)}=v`, /expected a label key/],
    ['env in prod', /expected a list such as \(a,b\)/],
    ['Example.com/x', /expected a label key/],
  ];
  for (const [text, expected] of cases) assert.throws(() => parseSelector(text), expected, text);
});

test('any text is either parsed or rejected with a SelectorError', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '=', '!', '(', ')', ',', ' ', '-', '/', 'in ') }), (text) => {
      try {
        assert.equal(typeof parseSelector(text).matches({ a: 'a' }), 'boolean');
      } catch (error) {
        assert.equal((error as Error).name, 'SelectorError');
      }
    }),
    { numRuns: 5_000 },
  );
});
