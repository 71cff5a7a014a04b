import { TextDecoder } from 'node:util';
import type { Encoding, Terminator } from '../../proto/rules/line-words.ts';

const CHARACTER_BYTES_MAX = 4;

/** How the bytes of a file are to be taken. */
export interface Charset {
  /** Of one code unit: lines end at whole units, counted from the file's beginning. */
  unit: 1 | 2;
  /** What ends a line. */
  terminator: Buffer;
  /** A carriage return, when the terminator begins with one. */
  half: Buffer | undefined;
  /** undefined: the bytes are UTF-8, or whatever they are, and stay as they are. */
  decoder: TextDecoder | undefined;
  /** What is not content at the beginning of a file; empty: nothing. */
  mark: Buffer;
  /** Its byte order is to be learned from the file. */
  isFromMark: boolean;
}

/** What an entry says of it. */
interface Words {
  encoding?: Encoding;
  terminator?: Terminator;
}

const made = new Map<string, Charset>();

/** There is one of each: a decoder keeps nothing from one call to the next. */
export function charsetFor({ encoding = 'utf-8', terminator = 'lf' }: Words): Charset {
  const key = `${encoding} ${terminator}`;
  const charset = made.get(key) ?? makeCharset(encoding, terminator);
  made.set(key, charset);
  return charset;
}

/** UTF-16 in the byte order that a file's first two bytes tell: without a mark it is little-endian (Encoding Standard, 4.2). */
export function charsetFromMark({ half }: Charset, head: Buffer): Charset {
  const encoding = head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-16le';
  return charsetFor({ encoding, terminator: half ? 'crlf' : 'lf' });
}

function makeCharset(encoding: Encoding, terminator: Terminator): Charset {
  const bytes = (text: string) => inUnits(text, encoding);
  return {
    unit: encoding.startsWith('utf-16') ? 2 : 1,
    terminator: bytes(terminator === 'crlf' ? '\r\n' : '\n'),
    half: terminator === 'crlf' ? bytes('\r') : undefined,
    // A mark further on is a character as others are.
    decoder: encoding === 'utf-8' ? undefined : new TextDecoder(encoding, { ignoreBOM: true }),
    mark: encoding.startsWith('utf-16') ? bytes('\uFEFF') : Buffer.alloc(0),
    isFromMark: encoding === 'utf-16',
  };
}

/** The terminator at or after `at`, -1: none. `position`: where `bytes` begin in their generation. */
export function findLineEnd({ terminator, unit }: Charset, bytes: Buffer, at: number, position: number): number {
  let found = bytes.indexOf(terminator, at);
  // U+0A15 U+4E00 has the bytes of a line feed, too, but not as a unit.
  while (unit === 2 && found !== -1 && (position + found) % 2 === 1) found = bytes.indexOf(terminator, found + 1);
  return found;
}

/** How many of `bytes` are there for certain: a half unit, and what may be half a terminator, wait for what follows. */
export function completeBytes({ unit, half }: Charset, bytes: Buffer, position: number): number {
  const length = unit === 2 ? bytes.length - ((position + bytes.length) % 2) : bytes.length;
  if (!half || length < half.length) return Math.max(0, length);
  return bytes.subarray(length - half.length, length).equals(half) ? length - half.length : length;
}

/** How many of `bytes`, which begin at `position` of their generation, are no content. */
export function markBytes({ mark }: Charset, bytes: Buffer, position: number): number {
  return position === 0 && mark.length > 0 && bytes.subarray(0, mark.length).equals(mark) ? mark.length : 0;
}

/** The last position up to `limit` that is between two characters of the text that begins at `from`. */
export function characterEnd({ decoder, unit }: Charset, bytes: Buffer, from: number, limit: number): number {
  if (!decoder) return utf8CharacterEnd(bytes, from, limit);
  for (let end = limit; end > from && end > limit - CHARACTER_BYTES_MAX; end -= unit) {
    decoder.decode(bytes.subarray(from, end), { stream: true });
    // What a whole character has left behind is nothing.
    if (decoder.decode() === '') return end;
  }
  return limit;
}

function utf8CharacterEnd(bytes: Buffer, from: number, limit: number): number {
  for (let back = 1; back < CHARACTER_BYTES_MAX && limit - back > from; back++) {
    const byte = bytes[limit - back] as number;
    if (byte < 0x80) return limit;
    if (byte < 0xc0) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return size > back ? limit - back : limit;
  }
  return limit;
}

function inUnits(text: string, encoding: Encoding): Buffer {
  if (!encoding.startsWith('utf-16')) return Buffer.from(text);
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf-16be' ? bytes.swap16() : bytes;
}
