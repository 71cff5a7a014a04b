// A part of the kernel: see kernel.as for the memory that it reads and writes.

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

/** Copies 16 bytes at a time. */
@inline
export function copy(to: usize, from: usize, bytes: u32): void {
  for (let at: usize = 0; at < <usize>bytes; at += 16) v128.store(to + at, v128.load(from + at));
}
