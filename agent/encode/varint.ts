/*
 * Kafka's record fields are zigzag varints as in Protocol Buffers (sint32): n >= 0 is written as
 * 2n, n < 0 as -2n - 1, seven bits to a byte, the lowest first. Only lengths and deltas are written
 * here, all of them >= 0.
 */

/** How many bytes `writeVarint(…, value)` writes, for 0 <= value < 2^30. */
export function varintBytes(value: number): number {
  if (value < 0x40) return 1;
  if (value < 0x2000) return 2;
  if (value < 0x100000) return 3;
  if (value < 0x8000000) return 4;
  return 5;
}

/** Writes `value` (0 <= value < 2^30) at `at` and returns the position after it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value << 1;
  let to = at;
  while (rest > 0x7f) {
    target[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[to++] = rest;
  return to;
}

/** The bytes of `value`, where speed does not matter. */
export function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintBytes(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

/** A key, value or header string of a record: its length and its bytes. */
export function lengthAndBytes(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([varint(bytes.length), bytes]);
}
