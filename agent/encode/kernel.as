// The hot path's inner loops in AssemblyScript: lines to records, and in lz4-frame.as records to an
// LZ4 frame. `npm run generate` compiles both into kernel-code.ts. The caller owns all memory: the
// chunk, its records and the compressed frame lie in one WebAssembly memory, so nothing is copied
// into the kernel, and one call serves a whole chunk.
//
// Both functions read up to 16 bytes after their input and write up to 16 bytes after their output:
// the regions have that room.

import { copy } from './lz4-frame';

export { writeLz4Frame } from './lz4-frame';

const LINE_FEED: u8 = 0x0a;
const DASH: u8 = 0x2d;
const ZERO: u8 = 0x30;
const NULL_KEY: u8 = 1;
/** attributes, timestampDelta and the null key: a byte each. */
const FIXED_BYTES: u32 = 3;

/**
 * The decimal digits of the range's two ends, right-aligned in 16 bytes: enough for safe integers.
 */
const START_DIGITS: usize = 0;
const END_DIGITS: usize = 16;
const DIGITS_MAX: u32 = 16;
/** The results of `writeLines`, two uint32: its end in the chunk and the length of the records. */
const REACHED: usize = 32;

/**
 * Appends a record for each complete line in `bytes[at, length)` until a line has no room, is
 * longer than `lineBytesMax`, begins with NUL, or has no end. Returns the number of records.
 * record-writer.ts describes a record.
 * - `position`: of `bytes[0]` in its generation.
 * - `rangeStart`: where the first record's range begins.
 * - `end`: where the previous record ended in `bytes`.
 * - `headers`: of each record. `headersLength` 0: no headers.
 */
export function writeLines(
  bytes: usize, length: u32, at: u32, end: u32, position: f64, rangeStart: f64, lineBytesMax: u32,
  records: usize, recordsLength: u32, recordsMax: u32, firstMax: u32, count: u32, headers: usize, headersLength: u32,
): u32 {
  const stop = bytes + length;
  const first = count;
  let from = bytes + at;
  let previousEnd = bytes + end;
  let to = records + recordsLength;
  let startLength = setDigits(START_DIGITS, <u64>rangeStart);
  let endLength = setDigits(END_DIGITS, <u64>position + end);
  for (;;) {
    if (load<u8>(from) == 0) break;
    const found = findLineFeed(from, stop);
    if (found == 0 || <u32>(found - from) > lineBytesMax) break;
    const valueBytes = <u32>(found - from);
    endLength = addDigits(END_DIGITS, endLength, <u32>(found + 1 - previousEnd));
    let headerBytes: u32 = 1;
    let rangeBytes: u32 = 0;
    if (headersLength > 0) {
      rangeBytes = startLength + 1 + endLength;
      headerBytes = headersLength + varintBytes(rangeBytes) + rangeBytes;
    }
    const size = FIXED_BYTES + varintBytes(count) + varintBytes(valueBytes) + valueBytes + headerBytes;
    const behind = <u32>(to - records) + varintBytes(size) + size;
    if (behind > (count == 0 ? firstMax : recordsMax)) break;
    to = writeVarint(to, size);
    store<u16>(to, 0);
    to = writeVarint(to + 2, count);
    store<u8>(to, NULL_KEY);
    to = writeVarint(to + 1, valueBytes);
    copy(to, from, valueBytes);
    to += valueBytes;
    if (headersLength > 0) {
      copy(to, headers, headersLength);
      to = writeVarint(to + headersLength, rangeBytes);
      v128.store(to, v128.load(START_DIGITS + DIGITS_MAX - startLength));
      store<u8>(to + startLength, DASH);
      to += startLength + 1;
      v128.store(to, v128.load(END_DIGITS + DIGITS_MAX - endLength));
      to += endLength;
    } else {
      store<u8>(to++, 0);
    }
    v128.store(START_DIGITS, v128.load(END_DIGITS));
    startLength = endLength;
    count++;
    from = previousEnd = found + 1;
  }
  store<u32>(REACHED, <u32>(from - bytes));
  store<u32>(REACHED + 4, <u32>(to - records));
  return count - first;
}

/** The next line feed in [from, stop); 0: none. */
@inline
function findLineFeed(from: usize, stop: usize): usize {
  const feeds = i8x16.splat(LINE_FEED);
  for (let at = from; at < stop; at += 16) {
    const mask = i8x16.bitmask(i8x16.eq(v128.load(at), feeds));
    if (mask == 0) continue;
    const found = at + <usize>ctz(mask);
    return found < stop ? found : 0;
  }
  return 0;
}

@inline
function varintBytes(value: u32): u32 {
  return value < 0x40 ? 1 : value < 0x2000 ? 2 : value < 0x100000 ? 3 : value < 0x8000000 ? 4 : 5;
}

@inline
function writeVarint(at: usize, value: u32): usize {
  let rest = value << 1;
  while (rest > 0x7f) {
    store<u8>(at++, <u8>(rest | 0x80));
    rest >>= 7;
  }
  store<u8>(at, <u8>rest);
  return at + 1;
}

/** Writes the digits of a number and returns how many there are. */
function setDigits(digits: usize, value: u64): u32 {
  let length: u32 = 0;
  do {
    store<u8>(digits + DIGITS_MAX - ++length, ZERO + <u8>(value % 10));
    value /= 10;
  } while (value > 0);
  return length;
}

/** Adds to a number of `length` digits and returns how many digits it has now. */
@inline
function addDigits(digits: usize, length: u32, amount: u32): u32 {
  let at: u32 = 0;
  let carry = amount;
  while (carry > 0) {
    at++;
    const digit = digits + DIGITS_MAX - at;
    const sum = carry + (at > length ? 0 : <u32>(load<u8>(digit) - ZERO));
    carry = sum / 10;
    store<u8>(digit, ZERO + <u8>(sum - carry * 10));
  }
  return at > length ? at : length;
}
