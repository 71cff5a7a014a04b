import assert from 'node:assert/strict';

/** Sequences are int32 and wrap to 0 after 2^31 - 1 (KIP-98). */
const MODULUS = 2 ** 31;

/** The sequence `count` records after `sequence`. */
export function sequenceAfter(sequence: number, count: number): number {
  assert(sequence >= 0 && sequence < MODULUS && count >= 0, 'not a sequence');
  return (sequence + count) % MODULUS;
}

/** How far `to` is ahead of `from`; negative if it is behind. */
export function sequenceDistance(from: number, to: number): number {
  const ahead = (to - from + MODULUS) % MODULUS;
  return ahead < MODULUS / 2 ? ahead : ahead - MODULUS;
}
