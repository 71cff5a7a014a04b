import assert from 'node:assert/strict';
import type { Stats } from 'node:fs';
import { appendFile, rename, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { secondsUntilBudgetLoss, secondsUntilTruncationLoss } from '../../../../agent/collect/lag/loss-forecast.ts';
import type { Source } from '../../../../agent/collect/sources/source.ts';
import { SourceFixture } from '../../../support/source-fixture.ts';
import { tempDir } from '../../../support/temp-dir.ts';

/** 60 s and 1,000 bytes behind, growing by 10 bytes per second. */
const falling = { lagBytes: 1_000, lagMs: 60_000, lagPerSecond: 10 };
const hourly = [0, 3_600_000, 7_200_000];
const MINUTE_MS = 60_000;

test('a file that falls behind loses its lines at the next truncation', () => {
  assert.equal(secondsUntilTruncationLoss(falling, hourly, 7_200_000 + 10 * MINUTE_MS), 50 * 60);
});

test('no loss is forecast for a file that catches up before its next truncation, and one for a file that does not', () => {
  const nowMs = 7_200_000 + 59 * MINUTE_MS;
  assert.equal(secondsUntilTruncationLoss({ ...falling, lagPerSecond: -20 }, hourly, nowMs), 0);
  assert.equal(secondsUntilTruncationLoss({ ...falling, lagPerSecond: -10 }, hourly, nowMs), 60);
});

test('nothing is forecast from one truncation, from a small lag, or before the pace is known', () => {
  const nowMs = 7_200_000 + 10 * MINUTE_MS;
  assert.equal(secondsUntilTruncationLoss(falling, [7_200_000], nowMs), 0);
  assert.equal(secondsUntilTruncationLoss({ ...falling, lagMs: 4_000 }, hourly, nowMs), 0);
  assert.equal(secondsUntilTruncationLoss({ ...falling, lagPerSecond: undefined }, hourly, nowMs), 0);
  assert.equal(secondsUntilTruncationLoss({ ...falling, lagBytes: 0 }, hourly, nowMs), 0);
});

test('an overdue truncation is expected at any moment, until it is overdue by a whole interval', () => {
  assert.equal(secondsUntilTruncationLoss(falling, hourly, 7_200_000 + 90 * MINUTE_MS), 1);
  assert.equal(secondsUntilTruncationLoss(falling, hourly, 7_200_000 + 121 * MINUTE_MS), 0);
});

test('a deleted file is given up when the limit for deleted files is reached, unless it was read before', () => {
  const deletions = [0, 10, 20].map((minute) => ({ timeMs: minute * MINUTE_MS, bytes: 1_000 }));
  const nowMs = 21 * MINUTE_MS;
  assert.equal(secondsUntilBudgetLoss(falling, deletions, 3_000, nowMs), 30 * 60);
  // Read in 1,000 s.
  assert.equal(secondsUntilBudgetLoss({ ...falling, lagPerSecond: -1 }, deletions, 3_000, nowMs), 0);
  assert.equal(secondsUntilBudgetLoss({ ...falling, lagPerSecond: -0.5 }, deletions, 3_000, nowMs), 30 * 60);
  assert.equal(secondsUntilBudgetLoss(falling, deletions, Number.POSITIVE_INFINITY, nowMs), 0);
  assert.equal(secondsUntilBudgetLoss(falling, deletions.slice(2), 3_000, nowMs), 0);
});

/**
 * Truncates the file after `seconds`, during which it got a line each second that was read at once.
 */
async function rotate(on: SourceFixture, file: string, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    on.nowMs += 1_000;
    await appendFile(file, 'a line that is read at once\n');
    await on.scan([file]);
    await on.deliver();
  }
  await truncate(file);
  await on.scan([file]);
}

/** Lines that are not read. */
async function fallBehind(on: SourceFixture, file: string, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    on.nowMs += 1_000;
    await appendFile(file, 'a line that nobody reads\n');
    await on.scan([file]);
  }
}

test('the loss of an unread file that is truncated each minute is forecast from the second truncation on', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const file = dir.at('a.log');
  await writeFile(file, '');
  await on.scan([file]);
  await rotate(on, file, 60);
  await fallBehind(on, file, 30);
  assert.equal(on.set.lossForecast(on.at(file)), 0);
  await on.deliver();
  await rotate(on, file, 30);
  await fallBehind(on, file, 20);
  assert.equal(on.set.lossForecast(on.at(file)), 40);
  await on.deliver();
  assert.equal(on.set.lossForecast(on.at(file)), 0);
  on.close();
});

test('nothing is forecast when truncated lines are read from a copy', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const [file, copy] = [dir.at('a.log'), dir.at('a.log.1')];
  await writeFile(file, '');
  await on.scan([file]);
  for (let round = 0; round < 3; round++) {
    const lines = `of round ${round}\n`.repeat(200);
    await writeFile(file, lines);
    on.nowMs += MINUTE_MS;
    await on.scan(round > 0 ? [file, copy] : [file]);
    await on.deliver();
    // As logrotate does: the copy is made before, so it is another file.
    if (round > 0) await unlink(copy);
    await writeFile(copy, lines);
    await truncate(file);
    await on.scan([file, copy]);
  }
  await fallBehind(on, file, 20);
  assert.equal(on.set.lossForecast(on.at(file)), 0);
  on.close();
});

test('the loss of a deleted file that will not be read before the limit is reached is forecast', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { pinnedBytesMax: 10_000 });
  const file = dir.at('a.log');
  for (let round = 0; round < 2; round++) {
    await writeFile(file, 'x'.repeat(999).concat('\n'));
    await on.scan([file]);
    on.nowMs += MINUTE_MS;
    await unlink(file);
    await on.scan([]);
  }
  const forecasts = on.sources.map((source) => on.set.lossForecast(source));
  // 8,000 bytes are left, and 1,000 more are needed each minute.
  assert.deepEqual(forecasts, [480, 480]);
  on.close();
});

test('nothing is forecast for a renamed file that is read through its descriptor', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const [file, rotated] = [dir.at('a.log'), dir.at('a.log.1')];
  for (let round = 0; round < 3; round++) {
    await writeFile(file, 'x\n');
    await on.scan(round > 0 ? [file, rotated] : [file]);
    on.nowMs += MINUTE_MS;
    await rename(file, rotated);
    await on.scan([rotated]);
  }
  for (const source of on.sources) assert.equal(on.set.lossForecast(source), 0);
  on.close();
});

test('bytes unread at the start are as old as the file, or as the last change that a previous process saw', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  // Until its first change, a file's birth time may be the ctime that is reported in its place.
  for (let stats = await written(file); Math.floor(stats.ctimeMs) === Math.floor(stats.birthtimeMs); )
    stats = await written(file);
  const { ctimeMs, birthtimeMs } = await stat(file);
  const lagOf = (on: SourceFixture, { file: { pace }, position }: Source) =>
    on.wallMs - (pace?.lagMs(position, on.nowMs) ?? 0);
  const first = new SourceFixture(dir);
  first.wallMs = Math.floor(ctimeMs) + 3_600_000;
  await first.scan([file]);
  assert.equal(lagOf(first, first.at(file)), Math.floor(birthtimeMs));
  await first.deliver();
  assert.equal(lagOf(first, first.at(file)), first.wallMs);
  first.kill();
  await written(file);
  const second = new SourceFixture(dir);
  second.wallMs = first.wallMs;
  await second.scan([file]);
  assert.equal(lagOf(second, second.at(file)), Math.floor(ctimeMs));
  second.close();
});

async function written(file: string): Promise<Stats> {
  await appendFile(file, 'a line\n');
  return stat(file);
}
