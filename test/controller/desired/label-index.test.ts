import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LabelIndex } from '../../../controller/desired/label-index.ts';
import { parseSelector } from '../../../proto/rules/selector.ts';

const labels = fc.dictionary(fc.constantFrom('role', 'env', 'agent'), fc.constantFrom('a', 'b', 'c'));
const requirement = fc.oneof(
  fc
    .tuple(fc.constantFrom('role', 'env', 'agent'), fc.constantFrom('=', '!='), fc.constantFrom('a', 'b', 'z'))
    .map((parts) => parts.join('')),
  fc.constantFrom('role in (a,b,b)', 'env notin (a)', 'role', '!env', 'agent in (z)'),
);

test('every item that a selector matches is among its candidates, whatever was added and removed before', () => {
  fc.assert(
    fc.property(fc.array(labels), fc.array(labels), fc.array(requirement, { maxLength: 3 }), (kept, gone, parts) => {
      const index = new LabelIndex<{ labels: Record<string, string> }>();
      const items = kept.map((own) => ({ labels: own }));
      const others = gone.map((own) => ({ labels: own }));
      for (const item of [...items, ...others]) index.add(item);
      for (const item of others) index.delete(item);
      const selector = parseSelector(parts.join(','));
      const found = [...index.candidates(selector)];
      const matching = (all: { labels: Record<string, string> }[]) =>
        new Set(all.filter((item) => selector.matches(item.labels)));
      assert.deepEqual(matching(found), matching(items));
      assert.equal(new Set(found).size, found.length, 'each once');
    }),
  );
});

test('of several requirements, the one with the fewest candidates is used', () => {
  const index = new LabelIndex<{ labels: Record<string, string> }>();
  for (let agent = 0; agent < 100; agent++) index.add({ labels: { env: 'prod', agent: String(agent) } });
  assert.equal([...index.candidates(parseSelector('env=prod,agent in (7,8)'))].length, 2);
  assert.equal([...index.candidates(parseSelector('env=none'))].length, 0);
});
