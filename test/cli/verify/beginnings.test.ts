import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begun, type GivenRecord, given, loss, record, sealed, verify } from '../../support/verify-fixture.ts';

// A fact was known only of a sealed generation: an unsealed one could begin anywhere.
test('where a generation begins and why is shown; a beginning that no fact explains is named, and the exit code is 1', async () => {
  const records = [
    record({ start: 12, end: 16, generation: 'started' }),
    ...[record({ start: 9, end: 12, generation: 'copied' }), record({ start: 12, end: 20, generation: 'copied' })],
    record({ start: 4, end: 8, generation: 'sealed-only' }),
    record({ start: 6, end: 8, generation: 'lost' }),
    record({ start: 0, end: 8, generation: 'whole' }),
  ];
  const facts = [
    ...[begun('started', 12), begun('copied', 9, 'copy'), sealed('copied', 20, 9), sealed('sealed-only', 8, 4)],
    loss('lost', 0, 6),
  ];
  const good = await given(records, facts);
  const { code, found, stderr } = await verify([good.topic], ...good.audit, '-o', 'json');
  assert.equal(code, 0, stderr);
  const beginning = (generation: string, first: number, reason: string | null) => {
    return { generation, path: `/var/log/${generation}.log`, first, reason };
  };
  const known = [beginning('started', 12, 'start'), beginning('copied', 9, 'copy')];
  assert.deepEqual(found.beginnings, [...known, beginning('sealed-only', 4, 'unknown')]);
  const table = (await verify([good.topic], ...good.audit)).stdout;
  assert.match(table, /^begins: start +started +0-12 +12 +never read +\/var\/log\/started.log$/m);
  assert.match(table, /^open +started +12-16 +4 /m);
  assert.match(table, /^3 generations do not begin at 0: no fact explains 0 of them$/m);

  const bad = await given([...records, record({ start: 5, end: 9, generation: 'unknown' })], facts);
  const second = await verify([bad.topic], ...bad.audit);
  assert.equal(second.code, 1);
  assert.match(second.stdout, /^BEGINNING +unknown +0-5 +5 +no fact says why +\/var\/log\/unknown.log$/m);
  assert.match(second.stdout, /^4 generations do not begin at 0: no fact explains 1 of them$/m);
  assert.match(second.stderr, /error: found 1 beginnings that no fact explains\n$/);
  const { found: document } = await verify([bad.topic], ...bad.audit, '-o', 'json');
  assert.deepEqual([document.beginnings.at(-1), document.holes], [beginning('unknown', 5, null), []]);
});

test('a first record after the beginning in the fact leaves a hole, and bytes before the beginning are not verified', async () => {
  const records = [record({ start: 20, end: 30 }), record({ start: 0, end: 16, generation: 'g2' })];
  const { topic, audit } = await given(records, [begun('g1', 12), begun('g2', 12)]);
  const { code, found } = await verify([topic], ...audit, '-o', 'json');
  assert.deepEqual([code, found.holes.length], [1, 1]);
  assert.deepEqual([found.holes[0].generation, found.holes[0].start, found.holes[0].end], ['g1', 12, 20]);
  // Agents of release 0.1.0 let the first range begin at 0.
  const ranges = found.open.map(({ generation, start, end }: GivenRecord) => [generation, start, end]);
  assert.deepEqual(ranges, [
    ['g1', 12, 30],
    ['g2', 12, 16],
  ]);
});
