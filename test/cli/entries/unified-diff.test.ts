import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { unifiedDiff } from '../../../cli/entries/unified-diff.ts';

const diffOf = (from: string, to: string) => unifiedDiff({ label: 'a', text: from }, { label: 'b', text: to });

test('a change is printed with three lines of context, as by diff -u', () => {
  const from = '1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n';
  const to = from.replace('5\n', 'five\n').replace('14\n', '');
  const first = '@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n';
  assert.equal(diffOf(from, to), `--- a\n+++ b\n${first}@@ -11,6 +11,5 @@\n 11\n 12\n 13\n-14\n 15\n 16\n`);
  assert.equal(diffOf('', 'a\nb\n'), '--- a\n+++ b\n@@ -0,0 +1,2 @@\n+a\n+b\n');
  assert.equal(diffOf('a\n', ''), '--- a\n+++ b\n@@ -1 +0,0 @@\n-a\n');
  assert.equal(diffOf(from, from), '');
});

test('applying the difference to the first text yields the second', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', ' d', '-e', '+f'), { maxLength: 40 }).map(join);
  fc.assert(
    fc.property(text, text, (from, to) => assert.equal(applied(from, diffOf(from, to)), to)),
    { numRuns: 500 },
  );
});

function join(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** Applies a unified diff, as patch(1) does. */
function applied(from: string, diff: string): string {
  const lines = from.split('\n').slice(0, -1);
  const to: string[] = [];
  let at = 0;
  for (const hunk of diff.split(/^@@ /m).slice(1)) {
    const [head = '', ...body] = hunk.split('\n').slice(0, -1);
    const [, start, count = '1'] = /^-(\d+)(?:,(\d+))? /.exec(head) ?? [];
    const begin = Number(start) - (count === '0' ? 0 : 1);
    to.push(...lines.slice(at, begin));
    at = begin;
    for (const line of body) {
      if (line[0] !== '+') assert.equal(lines[at++], line.slice(1));
      if (line[0] !== '-') to.push(line.slice(1));
    }
  }
  return join([...to, ...lines.slice(at)]);
}
