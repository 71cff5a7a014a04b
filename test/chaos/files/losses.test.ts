import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lines } from './content.ts';
import { Life } from './life.ts';
import { evidence, kindsOf, LINES, lifeAt, lineOf, loss, OPEN, ROOT, recordsOf } from './oracle-fixture.ts';

const a = lifeAt(0, 'a.log');
const b = lifeAt(1, 'b.log');
const all = [...recordsOf(a), ...recordsOf(b)];

test('a line that a loss covers is not lost, and the loss has its size', () => {
  const gone = lifeAt(0, 'a.log', 80_000);
  const { start } = lineOf(gone, 15);
  const some = recordsOf(gone).slice(0, 15);
  assert.deepEqual(kindsOf(evidence([gone], some)), ['lost']);
  const whole = loss({ start, end: gone.size, bytes: gone.size - start });
  assert.deepEqual(kindsOf(evidence([gone], some, [whole])), []);
  assert.deepEqual(kindsOf(evidence([gone], some, [loss({ start, end: start, bytes: 0, openEnded: true })])), []);
  assert.deepEqual(kindsOf(evidence([gone], some, [{ ...whole, bytes: 1 }])), ['loss-size']);
});

test('a loss of what arrived, of what still exists, or of bytes that nobody wrote is false', () => {
  const gone = lifeAt(0, 'a.log', 80_000);
  const { start } = lineOf(gone, 15);
  const delivered = loss({ start, end: gone.size, bytes: gone.size - start });
  assert.deepEqual(kindsOf(evidence([gone], recordsOf(gone), [delivered])), ['false-loss']);
  const beyond = loss({ start: gone.size, end: gone.size + 9, bytes: 9 });
  assert.deepEqual(kindsOf(evidence([gone], recordsOf(gone), [beyond])), ['false-loss']);
  const existing = loss({ start: a.size, end: a.size, bytes: 0, openEnded: true });
  assert.deepEqual(kindsOf(evidence([a, b], all, [existing])), ['false-loss']);
});

test('of a file that returned, the rest of a line whose beginning is lost is lost, too', () => {
  const life = lifeAt(0, 'a.log');
  life.matched.splice(0, 1, { fromMs: 10_000, toMs: 60_000 }, { fromMs: 85_000, toMs: OPEN });
  const { start, end } = lineOf(life, 15);
  const others = recordsOf(life).toSpliced(15, 1);
  const at = (ms: number) => new Date(ms).toISOString();
  const gone = loss({ id: 'g', start, end: start + 5, bytes: 5, openEnded: true, time: at(80_000) });
  const rest = loss({ id: 'r', start: start + 5, end, bytes: end - start - 5, time: at(95_000) });
  assert.deepEqual(kindsOf(evidence([life], others, [gone, rest])), []);
  assert.ok(kindsOf(evidence([life], others, [rest])).includes('false-loss'));
});

test('a truncation may be reported just before its writer has noted it', () => {
  const life = lifeAt(0, 'a.log', 90_001);
  life.end = { atMs: 90_001, how: 'truncated' };
  const { start, end } = lineOf(life, LINES - 1);
  const lost = loss({ start, end, bytes: end - start, reason: 'truncated' });
  const records = recordsOf(life).slice(0, -1);
  assert.deepEqual(kindsOf(evidence([life], records, [lost])), []);
  assert.deepEqual(kindsOf(evidence([life], records, [{ ...lost, time: new Date(80_000).toISOString() }])), [
    'false-loss',
  ]);
});

test('a loss without a record is of the last content that had ended by then', () => {
  const first = lifeAt(2, 'a.log', 30_000);
  first.end = { atMs: 30_000, how: 'truncated' };
  const second = new Life(3, 30_000, { previous: first });
  second.append(Buffer.from(first.bytes), 30_000);
  second.paths.add(`${ROOT}/a.log`);
  second.matched.push({ fromMs: 30_000, toMs: 31_500 });
  second.end = { atMs: 31_500, how: 'truncated' };
  const time = new Date(31_000).toISOString();
  const whole = loss({ time, generation: 'unread', reason: 'truncated', start: 0, end: first.size, bytes: first.size });
  assert.deepEqual(kindsOf(evidence([first, second], [], [whole])), []);
});

test('a loss without a record has the size of one of the contents that were at its path', () => {
  const first = new Life(2, 10_000);
  first.appendHole(9_000, 10_000);
  first.append(lines(first, 2), 10_000);
  first.end = { atMs: 30_000, how: 'overwritten' };
  const second = new Life(3, 30_000, { previous: first });
  second.append(lines(second, 300), 30_000);
  second.end = { atMs: 31_000, how: 'truncated' };
  for (const life of [first, second]) life.paths.add(`${ROOT}/a.log`);
  const bytes = first.size - 9_000;
  const lost = loss({ generation: 'unread', reason: 'truncated', start: 0, end: first.size, bytes });
  assert.deepEqual(kindsOf(evidence([first, second], [], [lost])), []);
  assert.deepEqual(kindsOf(evidence([first, second], [], [{ ...lost, bytes: bytes - 1 }])), ['loss-size']);
});
