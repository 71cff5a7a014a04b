// The hot path's inner loops in AssemblyScript: lines to records, and records to an LZ4 frame.
// `npm run generate` compiles this file into kernel-code.ts. The caller owns all memory: the chunk,
// its records and the compressed frame lie in one WebAssembly memory, so nothing is copied into the
// kernel, and one call serves a whole chunk.
//
// Both functions read up to 16 bytes after their input and write up to 16 bytes after their output:
// the regions have that room.

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
 * longer than `lineBytesMax`, or has no end. Returns the number of records. record-writer.ts
 * describes a record.
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

/** Copies 16 bytes at a time. */
@inline
function copy(to: usize, from: usize, bytes: u32): void {
  for (let at: usize = 0; at < <usize>bytes; at += 16) v128.store(to + at, v128.load(from + at));
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

/*
 * LZ4 frame (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md) as Kafka reads it
 * (KIP-57: independent blocks):
 *
 *   magic uint32 | FLG 0x60: version 1, independent blocks, no checksums
 *                | BD 0x60: blocks of up to 1 MiB | HC: checksum of both
 *   blockSize uint32, its highest bit set if the block is not compressed | block
 *   endMark uint32 = 0
 *
 * A batch's records fit into one block.
 */
const FRAME_MAGIC: u32 = 0x184d2204;
const FRAME_FLAGS: u16 = 0x6060;
const FRAME_CHECKSUM: u8 = 0x51;
const FRAME_HEAD_BYTES: usize = 7;
const NOT_COMPRESSED: u32 = 0x80000000;

/**
 * Writes the frame of `from[0, length)`, at most 1 MiB, and returns its length. `table` has room
 * for 4 << HASH_LOG bytes.
 */
export function writeLz4Frame(from: usize, length: u32, to: usize, table: usize): u32 {
  store<u32>(to, FRAME_MAGIC);
  store<u16>(to + 4, FRAME_FLAGS);
  store<u8>(to + 6, FRAME_CHECKSUM);
  const block = to + FRAME_HEAD_BYTES + 4;
  let size = compressBlock(from, length, block, table);
  if (size < length) {
    store<u32>(to + FRAME_HEAD_BYTES, size);
  } else {
    size = length;
    memory.copy(block, from, length);
    store<u32>(to + FRAME_HEAD_BYTES, NOT_COMPRESSED | length);
  }
  store<u32>(block + size, 0);
  return <u32>(block + size + 4 - to);
}

/*
 * LZ4 block (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md): sequences of
 *
 *   token (literals << 4 | match - 4) | more of the literals' length | literals
 *     | offset uint16 | more of the match's length
 *
 * A length of 15 continues in the next bytes, while they are 255. The last sequence has literals
 * only, at least the last five bytes. No match begins in the last twelve bytes.
 */
const HASH_LOG: u32 = 12;
const HASH_PRIME: u64 = 889523592379;
const MATCH_BYTES_MIN: usize = 4;
const LAST_LITERALS: usize = 5;
const LAST_MATCH: usize = 12;
const OFFSET_MAX: usize = 65535;
/**
 * After 2^6 positions without a match only every second one is tried, then every third, and so on:
 * data that does not compress is skipped quickly.
 */
const SKIP_LOG: u32 = 6;

/**
 * A greedy search with one candidate per hash of five bytes, as in LZ4's own fast level. The table
 * of 16 KiB stays in the first-level cache.
 */
function compressBlock(from: usize, length: u32, to: usize, table: usize): u32 {
  const stop = from + length;
  let out = to;
  let literals = from;
  if (<usize>length > LAST_MATCH) {
    memory.fill(table, 0, 4 << HASH_LOG);
    const lastMatch = stop - LAST_MATCH;
    const matchStop = stop - LAST_LITERALS;
    let at = from + 1;
    for (;;) {
      const found = findMatch(at, from, lastMatch, table);
      if (found == 0) break;
      at = <usize>(found >> 32);
      let match = <usize>(found & 0xffffffff);
      while (at > literals && match > from && load<u8>(at - 1) == load<u8>(match - 1)) {
        at--;
        match--;
      }
      let token = out;
      out = writeLiterals(out, literals, <u32>(at - literals));
      // Look for a match right after the match: it has no literals.
      for (;;) {
        store<u16>(out, <u16>(at - match));
        const behind = matchEnd(at + MATCH_BYTES_MIN, match + MATCH_BYTES_MIN, matchStop);
        out = writeMatchLength(out + 2, token, <u32>(behind - at - MATCH_BYTES_MIN));
        at = literals = behind;
        if (at >= lastMatch) break;
        store<u32>(slotOf(table, at - 2), <u32>(at - 2 - from));
        const slot = slotOf(table, at);
        match = from + <usize>load<u32>(slot);
        store<u32>(slot, <u32>(at - from));
        if (at - match > OFFSET_MAX || load<u32>(match) != load<u32>(at)) break;
        token = out++;
        store<u8>(token, 0);
      }
      if (at >= lastMatch) break;
      at++;
    }
  }
  const rest = <u32>(stop - literals);
  out = writeLength(out + 1, storeToken(out, rest), rest);
  memory.copy(out, literals, rest);
  return <u32>(out + rest - to);
}

/**
 * Finds the next position from `at` on whose four bytes occurred before. Returns it in the upper
 * half, and the earlier occurrence in the lower half; 0: none.
 */
@inline
function findMatch(at: usize, from: usize, lastMatch: usize, table: usize): u64 {
  let tries: u32 = 1 << SKIP_LOG;
  let slot = slotOf(table, at);
  for (let next = at + 1; next <= lastMatch; next += <usize>(tries++ >> SKIP_LOG)) {
    const match = from + <usize>load<u32>(slot);
    store<u32>(slot, <u32>(at - from));
    // The next slot is loaded while these bytes are compared.
    slot = slotOf(table, next);
    if (at - match <= OFFSET_MAX && load<u32>(match) == load<u32>(at)) return (<u64>at << 32) | <u64>match;
    at = next;
  }
  return 0;
}

@inline
function slotOf(table: usize, at: usize): usize {
  return table + (<usize>(((load<u64>(at) << 24) * HASH_PRIME) >> (64 - HASH_LOG)) << 2);
}

/** Where the equal bytes from `at` and `match` on end, at most `stop`. */
@inline
function matchEnd(at: usize, match: usize, stop: usize): usize {
  while (at + 8 <= stop) {
    const differs = load<u64>(at) ^ load<u64>(match);
    if (differs != 0) return at + <usize>(ctz(differs) >> 3);
    at += 8;
    match += 8;
  }
  while (at < stop && load<u8>(at) == load<u8>(match)) {
    at++;
    match++;
  }
  return at;
}

@inline
function writeLiterals(out: usize, literals: usize, length: u32): usize {
  const to = writeLength(out + 1, storeToken(out, length), length);
  copy(to, literals, length);
  return to + length;
}

@inline
function writeMatchLength(out: usize, token: usize, length: u32): usize {
  const short = min<u32>(length, 15);
  store<u8>(token, load<u8>(token) + <u8>short);
  return writeLength(out, short, length);
}

@inline
function storeToken(token: usize, literals: u32): u32 {
  const short = min<u32>(literals, 15);
  store<u8>(token, <u8>(short << 4));
  return short;
}

/** Writes the part of a length that does not fit into its half of the token. */
@inline
function writeLength(out: usize, short: u32, length: u32): usize {
  if (short < 15) return out;
  let rest = length - 15;
  while (rest >= 255) {
    store<u8>(out++, 255);
    rest -= 255;
  }
  store<u8>(out, <u8>rest);
  return out + 1;
}
