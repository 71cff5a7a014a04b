import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatByteRate,
  formatByteSize,
  formatDuration,
  parseByteRate,
  parseByteSize,
  parseDuration,
} from '../../runtime/units.ts';

test('durations have a unit, or are in the unit that the caller names', () => {
  const durations = [
    ['250ms', 250],
    ['10s', 10_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['5 s', 5_000],
  ] as const;
  for (const [text, ms] of durations) assert.equal(parseDuration(text), ms, text);
  assert.equal(parseDuration('10', 's'), 10_000);
  assert.equal(parseDuration('10', 'ms'), 10);
  for (const text of ['10', '', 's', '-1s', '1S', '1e3s', '1,5s', '.5s', '1s ', '1  s', '5MiB', '1constructor'])
    assert.equal(parseDuration(text), undefined, text);
});

test('sizes have binary units and are rounded down to whole bytes', () => {
  const sizes = [
    ['100B', 100],
    ['512KiB', 524_288],
    ['1.5KiB', 1_536],
    ['64MiB', 67_108_864],
    ['1GiB', 1_073_741_824],
    ['2TiB', 2_199_023_255_552],
    ['1.001KiB', 1_025],
  ] as const;
  for (const [text, bytes] of sizes) assert.equal(parseByteSize(text), bytes, text);
  assert.equal(parseByteSize('100', 'B'), 100);
  for (const text of ['100', '1MB', '1kib', '1s', '-1B', '']) assert.equal(parseByteSize(text), undefined, text);
});

test('rates are sizes with or without /s; none means no limit', () => {
  const rates = [
    ['5MiB', 5_242_880n],
    ['5 MiB/s', 5_242_880n],
    ['100000', 100_000n],
    ['999999999999', 999_999_999_999n],
    ['none', 0n],
  ] as const;
  for (const [text, bytes] of rates) assert.equal(parseByteRate(text), bytes, text);
  for (const text of ['much', '5MiB/m', '/s', '100000000TiB']) assert.equal(parseByteRate(text), undefined, text);
});

test('sizes, rates and durations are printed in the largest unit that fits', () => {
  const sizes = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_610_612_736n, '1.5 GiB'],
    [2 ** 60, '1024.0 PiB'],
  ] as const;
  for (const [bytes, text] of sizes) assert.equal(formatByteSize(bytes), text);
  assert.equal(formatByteRate(5_242_880n), '5.0 MiB/s');
  const durations = [
    [-3, '0s'],
    [0.9, '0s'],
    [59.9, '59s'],
    [60, '1m'],
    [7_199, '1h'],
    [4 * 86_400, '4d'],
  ] as const;
  for (const [seconds, text] of durations) assert.equal(formatDuration(seconds), text);
});
