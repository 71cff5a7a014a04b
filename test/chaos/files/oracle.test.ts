import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutPeriods } from './agent.ts';
import { lines } from './content.ts';
import type { TopicRecord } from './evidence.ts';
import { Life } from './life.ts';
import { judge } from './oracle.ts';
import { evidence, kindsOf, LINES, lifeAt, lineOf, loss, OPEN, ROOT, recordsOf } from './oracle-fixture.ts';

const a = lifeAt(0, 'a.log');
const b = lifeAt(1, 'b.log');
const all = [...recordsOf(a), ...recordsOf(b)];

test('what a perfect agent delivers has no violation', () => {
  const { violations, due, delivered } = judge(evidence([a, b], all));
  assert.deepEqual([violations, due, delivered], [[], 2 * LINES, 2 * LINES]);
});

test('a missing record is a lost line and a hole; a missing end and a missing file are lost lines', () => {
  assert.deepEqual(kindsOf(evidence([a, b], all.toSpliced(4, 1))), ['hole', 'lost']);
  assert.deepEqual(kindsOf(evidence([a, b], all.toSpliced(LINES - 2, 2))), ['lost']);
  assert.deepEqual(kindsOf(evidence([a, b], recordsOf(a))), ['lost']);
});

test('a record that arrived twice, and a file that arrived as two generations, are doubled', () => {
  assert.deepEqual(kindsOf(evidence([a, b], [...all.toSpliced(1, 0, all[0] as TopicRecord)])), ['doubled', 'overlap']);
  assert.deepEqual(kindsOf(evidence([a, b], [...all, ...recordsOf(a, 'other')])), ['doubled']);
});

test('a record that begins within a line is torn, and a line of another file is mixed', () => {
  const [first] = all as [TopicRecord];
  const torn = { ...first, value: first.value.subarray(3), headers: { ...first.headers, 'logfleet.range': '3-26' } };
  assert.ok(kindsOf(evidence([a, b], all.with(0, torn))).includes('torn'));
  const mixed = { ...(all[3] as TopicRecord), value: (all[LINES + 3] as TopicRecord).value };
  mixed.headers = {
    ...mixed.headers,
    'logfleet.range': (all[LINES + 3] as TopicRecord).headers['logfleet.range'] as string,
  };
  assert.ok(kindsOf(evidence([a, b], all.with(3, mixed))).includes('mixed'));
});

test('a range that covers bytes before its line is no true range', () => {
  const { start, end } = lineOf(a, 5);
  assert.ok(start > 0);
  const record = recordsOf(a)[5] as TopicRecord;
  const wide = { ...record, headers: { ...record.headers, 'logfleet.range': `0-${end}` } };
  assert.ok(kindsOf(evidence([a, b], [wide, ...recordsOf(a).slice(6), ...recordsOf(b)])).includes('range'));
});

test('records of a generation that are not in the order of their ranges, or in two partitions, are out of order', () => {
  const swapped = all.with(3, all[4] as TopicRecord).with(4, all[3] as TopicRecord);
  assert.deepEqual(kindsOf(evidence([a, b], swapped)), ['order']);
  assert.deepEqual(kindsOf(evidence([a, b], all.with(3, { ...(all[3] as TopicRecord), partition: 1 }))), ['order']);
});

test('NULs that nobody wrote must not arrive, and a range may cover them', () => {
  const life = new Life(2, 10_000);
  life.appendHole(4_096, 10_000);
  life.append(lines(life, 2), 10_000);
  life.paths.add(`${ROOT}/c.log`);
  life.matched.push({ fromMs: 10_000, toMs: OPEN });
  const [first, second] = recordsOf(life) as [TopicRecord, TopicRecord];
  const { end } = lineOf(life, 0);
  const covering = { ...first, headers: { ...first.headers, 'logfleet.range': `0-${end}` } };
  assert.deepEqual(kindsOf(evidence([life], [covering, second])), []);
  const torn = { ...covering, value: life.bytes.subarray(0, end - 1) };
  assert.deepEqual(kindsOf(evidence([life], [torn, second])), ['nul']);
});

test('the first part of a long line begins where the hole before it ends', () => {
  const life = new Life(2, 10_000);
  life.appendHole(50, 10_000);
  life.append(Buffer.from(`L2.0 ${'y'.repeat(200)}\n`), 10_000);
  life.paths.add(`${ROOT}/h.log`);
  life.matched.push({ fromMs: 10_000, toMs: OPEN });
  const [whole] = recordsOf(life) as [TopicRecord];
  const part = (from: number, range: string, flags: string, to?: number): TopicRecord => ({
    ...whole,
    value: life.bytes.subarray(from, to ?? life.size - 1),
    headers: { ...whole.headers, 'logfleet.range': range, 'logfleet.flags': flags },
  });
  const last = part(150, `150-${life.size}`, 'split');
  assert.deepEqual(kindsOf(evidence([life], [part(50, '0-150', 'split', 150), last])), []);
  assert.deepEqual(kindsOf(evidence([life], [part(49, '0-150', 'split', 150), last])), ['nul']);
});

test('a few NULs, and NULs amid a line, are content', () => {
  const life = new Life(2, 10_000);
  life.appendHole(10, 10_000);
  life.append(Buffer.from('half a line'), 10_000);
  life.appendHole(4_096, 10_000);
  life.append(lines(life, 2), 10_000);
  life.paths.add(`${ROOT}/c.log`);
  life.matched.push({ fromMs: 10_000, toMs: OPEN });
  assert.deepEqual(kindsOf(evidence([life], recordsOf(life))), []);
});

test('a sealed generation whose end did not arrive is not complete', () => {
  const sealed = loss({ kind: 'sealed', first: 0, size: a.size });
  assert.deepEqual(kindsOf(evidence([a, b], all, [sealed])), []);
  assert.deepEqual(kindsOf(evidence([a, b], all.toSpliced(LINES - 1, 1), [sealed])), ['lost', 'sealed']);
});

test('a line that was there for a moment, or while the agent was down, is not demanded', () => {
  const short = lifeAt(2, 'c.log', 11_000);
  assert.deepEqual(kindsOf(evidence([a, b, short], all)), []);
  const long = lifeAt(2, 'c.log', 30_000);
  assert.deepEqual(kindsOf(evidence([a, b, long], all)), ['lost']);
  const uptimes = [{ fromMs: 40_000, toMs: OPEN, startupMs: 500, scanIntervalMs: 1_000 }];
  assert.deepEqual(kindsOf({ ...evidence([a, b, long], all), uptimes }), []);
});

test('a line that was there only while the entry was paused is not demanded, one that is still there is', () => {
  const paused = { fromMs: 9_500, toMs: 40_000 };
  const { uptimes, ...given } = evidence([a, b, lifeAt(2, 'c.log', 30_000)], all);
  assert.deepEqual(kindsOf({ ...given, uptimes: withoutPeriods(uptimes, [paused]) }), []);
  const there = evidence([a, b, lifeAt(2, 'c.log')], all);
  assert.deepEqual(kindsOf({ ...there, uptimes: withoutPeriods(uptimes, [paused]) }), ['lost']);
});

test('with start: end, lines that were there when the globs changed are not demanded, and later ones are', () => {
  const life = new Life(2, 10_000);
  life.append(lines(life, LINES), 10_000);
  life.append(lines(life, LINES), 70_000);
  life.paths.add(`${ROOT}/c.log`);
  life.matched.push({ fromMs: 50_000, toMs: OPEN });
  const later = recordsOf(life)
    .slice(LINES)
    .map((record) => ({ ...record, timestampMs: 71_000 }));
  const { settings, ...given } = evidence([life], later);
  const atEnd = { ...given, settings: { ...settings, start: 'end' as const } };
  assert.deepEqual(kindsOf({ ...atEnd, globChangesMs: [50_000] }), []);
  assert.deepEqual(kindsOf({ ...atEnd, globChangesMs: [50_000], records: later.slice(0, -1) }), ['lost']);
  // A file that is moved into globs that stay is a new one.
  assert.deepEqual(kindsOf(atEnd), ['lost']);
});

test('a copy of a file that was truncated arrives once, if it is recognisable', () => {
  const original = new Life(3, 10_000);
  original.append(lines(original, 100), 10_000);
  original.paths.add(`${ROOT}/d.log`);
  original.matched.push({ fromMs: 10_000, toMs: 60_000 });
  original.end = { atMs: 60_000, how: 'truncated' };
  const copy = new Life(4, 59_000, { copyOf: { life: original, size: original.size } });
  copy.append(Buffer.from(original.bytes), 59_000);
  copy.paths.add(`${ROOT}/d.log.1`);
  copy.matched.push({ fromMs: 59_000, toMs: OPEN });
  assert.deepEqual(kindsOf(evidence([original, copy], recordsOf(original))), []);
  assert.deepEqual(kindsOf(evidence([original, copy], [...recordsOf(original), ...recordsOf(copy)])), ['doubled']);
});

test('lines of a copy that was rewritten with the same bytes arrive once, with the last content', () => {
  const original = lifeAt(3, 'd.log', 60_000);
  original.end = { atMs: 60_000, how: 'truncated' };
  const copyOf = { life: original, size: original.size };
  const copy = lifeAt(4, 'd.log.1', 70_000);
  const copied = new Life(5, 59_000, { copyOf });
  copied.append(Buffer.from(original.bytes), 59_000);
  copied.paths.add(`${ROOT}/d.log.1`);
  copied.matched.push({ fromMs: 59_000, toMs: 70_000 });
  copied.end = { atMs: 70_000, how: 'truncated' };
  const rewritten = new Life(6, 70_000, { previous: copied });
  rewritten.append(Buffer.concat([original.bytes, copy.bytes]), 70_000);
  rewritten.paths.add(`${ROOT}/d.log.1`);
  rewritten.matched.push({ fromMs: 70_000, toMs: OPEN });
  const lives = [original, copied, rewritten];
  assert.deepEqual(kindsOf(evidence(lives, recordsOf(rewritten))), []);
  assert.deepEqual(kindsOf(evidence(lives, recordsOf(rewritten).slice(0, LINES - 1))), ['lost']);
});

test('a file outside the globs that is rewritten with its first lines arrives again, at its earlier path', () => {
  const before = lifeAt(2, 'd.log', 20_000);
  before.end = { atMs: 30_000, how: 'truncated' };
  const rewritten = new Life(3, 30_000, { previous: before });
  rewritten.append(before.bytes.subarray(0, lineOf(before, 9).end), 30_000);
  const again = recordsOf(before, 'other').map((record) => ({ ...record, timestampMs: 31_000 }));
  const arrived = (count: number) => [...recordsOf(before), ...again.slice(0, count)];
  assert.deepEqual(kindsOf(evidence([before, rewritten], arrived(10))), []);
  assert.ok(kindsOf(evidence([before, rewritten], arrived(11))).includes('doubled'));
});

test('with few descriptors, lines that come to a file outside the paths after its grace are not demanded', () => {
  const life = new Life(2, 10_000);
  life.append(lines(life, LINES), 10_000);
  life.append(lines(life, LINES), 70_000);
  life.paths.add(`${ROOT}/c.log`);
  life.matched.push({ fromMs: 10_000, toMs: 30_000 });
  life.near.push({ fromMs: 30_000, toMs: OPEN, sinceMs: 10_000 });
  const { settings, ...given } = evidence([life], recordsOf(life).slice(0, LINES));
  assert.deepEqual(kindsOf({ ...given, settings }), ['lost']);
  assert.deepEqual(kindsOf({ ...given, settings: { ...settings, descriptors: 40 } }), []);
});

test('lines that come to a file outside the globs are demanded if it had any when it left them', () => {
  for (const [bytes, kinds] of [
    [1, ['lost']],
    [0, []],
  ] as const) {
    const life = new Life(5, 10_000);
    life.append(Buffer.from('\n').subarray(0, bytes), 10_000);
    life.append(lines(life, 5), 60_000);
    life.paths.add(`${ROOT}/d.log.1`);
    life.matched.push({ fromMs: 10_000, toMs: 40_000 });
    life.near.push({ fromMs: 40_000, toMs: OPEN, sinceMs: 10_000 });
    assert.deepEqual(kindsOf(evidence([life], [])), kinds);
  }
});

test('of contents with the same bytes, that one arrived that existed, and was matched, when it was read', () => {
  const content = (id: number, fromMs: number, toMs: number) => {
    const life = new Life(id, fromMs);
    life.append(Buffer.from('# banner\n'), fromMs);
    life.paths.add(`${ROOT}/c.log`);
    life.matched.push({ fromMs, toMs });
    return life;
  };
  const deleted = content(2, 10_000, 10_001);
  deleted.end = { atMs: 10_001, how: 'deleted' };
  const moved = content(3, 1_000, 11_000);
  const present = content(4, 11_500, OPEN);
  const given = evidence([deleted, moved, present], recordsOf(present));
  // Then what was there at the first start must not arrive.
  const settings = { ...given.settings, start: 'end' as const };
  assert.deepEqual(kindsOf({ ...given, settings }), []);
});
