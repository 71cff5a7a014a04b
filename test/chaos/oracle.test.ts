import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fact } from './facts.ts';
import { Lines } from './lines.ts';
import { Oracle, type SeenRecord } from './oracle.ts';

const lines = new Lines(7, 'wild');
const COUNT = 400;
const WRITTEN = [
  { writer: 'rename', life: 0, lines: COUNT },
  { writer: 'rename', life: 1, lines: COUNT },
  { writer: 'delete', life: 0, lines: COUNT },
];

/** The records as a perfect agent delivers them: each life is a generation. */
function perfect(): SeenRecord[] {
  return WRITTEN.flatMap(({ writer, life, lines: count }) => {
    let at = 0;
    return Array.from({ length: count }, (_, line) => {
      const value = lines.text({ writer, life, line });
      const range = `${at}-${at + value.length + 1}`;
      at += value.length + 1;
      return { value, headers: { 'logfleet.generation': `${writer}${life}`, 'logfleet.range': range } };
    });
  });
}

function judge(records: readonly SeenRecord[], facts: readonly Fact[] = []) {
  const oracle = new Oracle(lines);
  for (const record of records) oracle.observe(record);
  return oracle.verdict(WRITTEN, facts);
}

function spanOf(record: SeenRecord | undefined): [number, number] {
  return record?.headers['logfleet.range']?.split('-').map(Number) as [number, number];
}

const without = ({ value }: SeenRecord): SeenRecord => ({ value, headers: {} });

test('the delivery of a perfect agent has no violation, including empty, long and binary lines', () => {
  const records = perfect();
  const verdict = judge(records);
  assert.deepEqual([verdict.ok, verdict.total.written, verdict.examples], [true, 3 * COUNT, []]);
  assert.equal(verdict.tiling.generations, 3);
  assert.ok(records.some(({ value }) => value.length === 0));
  assert.ok(records.some(({ value }) => value.includes(0)));
});

test('a record marked as a replay is no duplicate', () => {
  const again = perfect().map(({ value, headers }) => ({ value, headers: { ...headers, 'logfleet.replay': 'r' } }));
  assert.ok(judge([...perfect(), ...again.slice(5, 50)]).ok);
  assert.ok(!judge([...perfect().slice(1), ...again]).ok);
});

test('the order of records does not matter', () => assert.ok(judge(perfect().reverse()).ok));

test('a missing record is one line lost and a hole of its bytes, empty ones too', () => {
  const records = perfect();
  const empty = records.findIndex(({ value }) => value.length === 0);
  for (const at of [5, empty]) {
    const [start, end] = spanOf(records[at]);
    const { ok, total, tiling } = judge(records.toSpliced(at, 1));
    assert.deepEqual([ok, total.lost, total.doubled, tiling.holes], [false, 1, 0, end - start]);
  }
});

test('missing last lines of a generation, and a missing generation, are lost', () => {
  const records = perfect();
  const [start] = spanOf(records[2 * COUNT - 3]);
  const [, end] = spanOf(records[2 * COUNT - 1]);
  const tail = judge(records.toSpliced(2 * COUNT - 3, 3));
  assert.deepEqual([tail.total.lost, tail.tiling.holes], [3, end - start]);
  assert.equal(judge(records.slice(COUNT)).files['rename']?.lost, COUNT);
});

test('a record that arrived twice is one doubled line and an overlap, also if it is empty', () => {
  const records = perfect();
  const empty = records.findIndex(({ value }) => value.length === 0);
  for (const at of [7, empty]) {
    const { ok, total, tiling } = judge([...records, records[at] as SeenRecord]);
    assert.deepEqual([ok, total.lost, total.doubled, tiling.overlaps], [false, 0, 1, 1]);
  }
});

test('a file that was delivered again as another generation is doubled by its text', () => {
  const again = perfect()
    .slice(0, COUNT)
    .map(({ value, headers }) => ({ value, headers: { ...headers, 'logfleet.generation': 'another' } }));
  const { ok, total, tiling } = judge([...perfect(), ...again]);
  assert.deepEqual([ok, total.doubled, tiling.overlaps], [false, COUNT, 0]);
});

test('a byte that was altered is one altered line, wherever it is', () => {
  const records = perfect();
  const { value, headers } = records[9] as SeenRecord;
  for (const at of [0, 8, value.length - 1]) {
    const changed = Buffer.from(value);
    changed[at] = (changed[at] as number) ^ 1;
    const { ok, total } = judge(records.with(9, { value: changed, headers }));
    assert.deepEqual([ok, total.lost, total.doubled, total.altered], [false, 0, 0, 1], `byte ${at}`);
  }
});

test("a range that is not the line's, and a generation with lines of two files, are misplaced", () => {
  const records = perfect();
  const { value, headers } = records[9] as SeenRecord;
  const [start, end] = spanOf(records[9]);
  const shifted = { ...headers, 'logfleet.range': `${start}-${end + 1}` };
  assert.equal(judge(records.with(9, { value, headers: shifted })).tiling.misplaced, 1);
  const mixed = { ...headers, 'logfleet.generation': 'delete0' };
  const { ok, tiling } = judge(records.with(9, { value, headers: mixed }));
  assert.ok(!ok && tiling.misplaced > 0);
});

test('lost lines covered by a loss are counted separately; others are not', () => {
  const records = perfect();
  const [start] = spanOf(records[COUNT + 4]);
  const [, end] = spanOf(records[COUNT + 6]);
  const fewer = records.toSpliced(COUNT + 4, 3);
  const judged = judge(fewer, [{ kind: 'loss', generation: 'rename1', start, end }]);
  assert.deepEqual([judged.ok, judged.total.lost, judged.total.declared], [true, 0, 3]);
  const less = judge(fewer, [{ kind: 'loss', generation: 'rename1', start, end: end - 1 }]);
  assert.deepEqual([less.ok, less.total.lost, less.total.declared], [false, 1, 2]);
});

test('an open-ended loss covers only what was written after it and never read', () => {
  const records = perfect();
  const [start] = spanOf(records[2 * COUNT - 3]);
  const [, end] = spanOf(records[2 * COUNT - 3]);
  const lossFrom = (from: number): Fact => ({ kind: 'loss', generation: 'rename1', start: from, end, openEnded: true });
  const { ok, total } = judge(records.toSpliced(2 * COUNT - 3, 3), [lossFrom(start)]);
  assert.deepEqual([ok, total.lost, total.declared], [true, 0, 3]);
  assert.equal(judge(records.toSpliced(2 * COUNT - 4, 4), [lossFrom(start)]).total.lost, 1);
});

test('a sealed fact with another end than the generation has is a violation', () => {
  const [, end] = spanOf(perfect()[2 * COUNT - 1]);
  const sealed = (size: number): Fact => ({ kind: 'sealed', generation: 'rename1', first: 0, size });
  assert.ok(judge(perfect(), [sealed(end)]).ok);
  assert.equal(judge(perfect(), [sealed(end + 1)]).tiling.sealedWrong, 1);
});

test('without headers lines are counted by their text alone', () => {
  const plain = new Lines(7, 'plain');
  const written = [{ writer: 'rename', life: 0, lines: COUNT }];
  const records = Array.from({ length: COUNT }, (_, line) =>
    without({ value: plain.text({ writer: 'rename', life: 0, line }), headers: {} }),
  );
  const oracle = new Oracle(plain);
  for (const record of [...records.slice(2), records[5] as SeenRecord, records[5] as SeenRecord])
    oracle.observe(record);
  const { total } = oracle.verdict(written);
  assert.deepEqual([total.lost, total.doubled, total.altered], [2, 2, 0]);
  assert.equal(oracle.missing(written), 2);
});

test('records that nobody wrote are found: other text, other files, lines after the end', () => {
  const foreign = ['something else', 'stranger 0 0 x', 'rename 0 99999999999 x'].map((text) => Buffer.from(text));
  const beyond = lines.text({ writer: 'rename', life: 0, line: COUNT });
  for (const value of [...foreign, beyond]) {
    const verdict = judge([...perfect(), { value, headers: {} }]);
    assert.deepEqual([verdict.ok, verdict.foreign], [false, 1], value.toString('latin1'));
  }
});
