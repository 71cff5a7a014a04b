import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReportBounds } from '../../../controller/fleet/report-bounds.ts';
import { Report } from '../../../proto/gen/logfleet/v1/agent_service.ts';
import { EntryStatus } from '../../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../../runtime/clock.ts';

test('the reports of a large agent are read without a pause, and a flood is read at fifty a second', () => {
  let nowMs = 0;
  const bounds = new ReportBounds({ ...systemClock, monotonicMs: () => nowMs });
  for (let count = 0; count < 200; count++) assert.equal(bounds.pauseMs('report'), 0);
  let taken = 0;
  for (const sinceMs = nowMs; nowMs - sinceMs < 10_000; taken++) nowMs += bounds.pauseMs('report');
  assert.equal(taken, 500);
  // After a time of silence it may send a burst again.
  nowMs += 10_000;
  for (let count = 0; count < 200; count++) assert.equal(bounds.pauseMs('report'), 0);
});

test('kept reports are counted after enough of them have arrived, and end the stream when they are too large', () => {
  const bounds = new ReportBounds(systemClock);
  const report = Report.create({ entries: [EntryStatus.create({ entry: 'entries/a', error: 'x'.repeat(2 ** 24) })] });
  // Repeated reports of the same are kept once.
  for (let count = 0; count < 10; count++) bounds.checkSize(report, report);
  const kept = { ...report, entries: [...report.entries, ...report.entries, ...report.entries, ...report.entries] };
  assert.throws(() => {
    for (let count = 0; count < 3; count++) bounds.checkSize(report, kept);
  }, /characters in all/);
});
