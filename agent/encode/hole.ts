import { HOLE_BYTES_MIN } from '../model/hole.ts';

/** How many bytes of whole NUL units begin at `at`, which must be the start of a unit. */
export function nulBytesAt(bytes: Buffer, at: number, unit: 1 | 2): number {
  let end = at;
  while (bytes[end] === 0) end++;
  return end - at - ((end - at) % unit);
}

/**
 * How many of `bytes` belong to a hole that may continue behind them: they end in that many NULs.
 * `position`: where `bytes` begin in their generation.
 */
export function trailingHoleBytes(bytes: Buffer, position: number, unit: 1 | 2): number {
  let start = bytes.length;
  while (start > 0 && bytes[start - 1] === 0) start--;
  start += (position + start) % unit;
  const length = bytes.length - start;
  return length < HOLE_BYTES_MIN ? 0 : length;
}

/** Where the first NUL unit at or after `at` begins; -1: none. */
export function firstNul(bytes: Buffer, position: number, at: number, unit: 1 | 2): number {
  let found = bytes.indexOf(0, at);
  while (unit === 2 && found !== -1 && ((position + found) % 2 === 1 || bytes[found + 1] !== 0))
    found = bytes.indexOf(0, found + 1);
  return found;
}
