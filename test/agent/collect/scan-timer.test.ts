import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScanTimer } from '../../../agent/collect/scan-timer.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { HandClock } from '../../support/hand-clock.ts';

test('a scan that takes long is logged once while it runs, and its time is known during and after it', async () => {
  const clock = new HandClock();
  const logged: string[] = [];
  const logger = createLogger({ level: 'warn', format: 'json', write: (line) => logged.push(line) });
  const timer = new ScanTimer({ clock, logger });
  const { promise: walked, resolve: endWalk } = Promise.withResolvers<string>();
  const scan = timer.time('entries/a', () => walked);
  clock.runTo(29_000);
  assert.deepEqual([timer.times, logged], [{ lastScanSeconds: 0, runningScanSeconds: 29 }, []]);
  clock.runTo(90_500);
  assert.equal(timer.times.runningScanSeconds, 90);
  endWalk('found');
  assert.equal(await scan, 'found');
  assert.deepEqual(timer.times, { lastScanSeconds: 90, runningScanSeconds: 0 });
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? '', /"a scan for files takes long".*"entries\/a"/);
  await timer.time('entries/a', async () => 'at once');
  clock.runTo(200_000);
  assert.deepEqual([timer.times, logged.length, clock.timers], [{ lastScanSeconds: 0, runningScanSeconds: 0 }, 1, 0]);
});
