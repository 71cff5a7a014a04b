import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Backlog } from '../../../../agent/collect/lag/backlog.ts';

/**
 * A step: after this time the file grew by this many bytes, and this share of the unread bytes was
 * read.
 */
const step = fc.record({
  afterMs: fc.integer({ min: 0, max: 5_000 }),
  bytes: fc.integer({ min: 1, max: 1_000 }),
  read: fc.double({ min: 0, max: 1, noNaN: true }),
});

test("a byte's age is never understated, whatever was merged, and what was read is no lag", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
      const backlog = new Backlog();
      const seen: { end: number; timeMs: number }[] = [];
      let [end, position, nowMs] = [0, 0, 0];
      for (const { afterMs, bytes, read } of steps) {
        nowMs += afterMs;
        end += bytes;
        backlog.fileGrew(end, nowMs);
        seen.push({ end, timeMs: nowMs });
        position += Math.floor((end - position) * read);
        const truly = seen.find((mark) => mark.end > position)?.timeMs;
        const age = backlog.sinceMs(position);
        assert.equal(age === undefined, truly === undefined);
        if (age !== undefined && truly !== undefined) assert.ok(age <= truly && age >= 0);
      }
      assert.equal(backlog.sinceMs(end), undefined);
    }),
  );
});

test('the time is exact while there were fewer steps of growth than marks', () => {
  const backlog = new Backlog();
  for (let at = 1; at <= 16; at++) backlog.fileGrew(at * 10, at * 1_000);
  for (let at = 1; at <= 16; at++) assert.equal(backlog.sinceMs(at * 10 - 1), at * 1_000);
});

test('the oldest byte of a file that grows for hours unread has its exact age', () => {
  const backlog = new Backlog();
  for (let second = 0; second < 10_000; second++) backlog.fileGrew(second + 1, second * 1_000);
  assert.equal(backlog.sinceMs(0), 0);
  // The last marks are the closest and the most exact.
  const since = backlog.sinceMs(9_999) as number;
  assert.ok(since > 9_000_000, `${since}`);
});
