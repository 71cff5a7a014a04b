import { TextDecoder } from 'node:util';
import type { Encoding, Terminator } from '../../proto/rules/line-words.ts';

const CHARACTER_BYTES_MAX = 4;

/** How a file's bytes are split into lines and decoded. */
export interface Charset {
  /** Bytes of a code unit. Lines end at whole units, counted from the start of the file. */
  unit: 1 | 2;
  /** Ends a line. */
  terminator: Buffer;
  /** Set if the terminator begins with one. */
  carriageReturn: Buffer | undefined;
  /** undefined: the bytes stay as they are, valid UTF-8 or not. */
  decoder: TextDecoder | undefined;
  /** Is not content at the start of a file. Empty if such a mark is content. */
  byteOrderMark: Buffer;
  /** The byte order must be read from the file's mark. */
  isFromMark: boolean;
}

/** An entry's options. */
interface CharsetOptions {
  encoding?: Encoding;
  terminator?: Terminator;
}

const made = new Map<string, Charset>();

/**
 * The charset for an entry's options. Charsets are shared: decoders keep no state between calls.
 */
export function charsetFor({ encoding = 'utf-8', terminator = 'lf' }: CharsetOptions): Charset {
  const key = `${encoding} ${terminator}`;
  const charset = made.get(key) ?? makeCharset(encoding, terminator);
  made.set(key, charset);
  return charset;
}

/**
 * UTF-16 in the byte order of the file's mark; little-endian without one (Encoding Standard, 4.2).
 */
export function charsetFromMark({ carriageReturn: half }: Charset, head: Buffer): Charset {
  const encoding = head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-16le';
  return charsetFor({ encoding, terminator: half ? 'crlf' : 'lf' });
}

function makeCharset(encoding: Encoding, terminator: Terminator): Charset {
  const bytes = (text: string) => encodeText(text, encoding);
  return {
    unit: encoding.startsWith('utf-16') ? 2 : 1,
    terminator: bytes(terminator === 'crlf' ? '\r\n' : '\n'),
    carriageReturn: terminator === 'crlf' ? bytes('\r') : undefined,
    // Later in the file the mark is an ordinary character.
    decoder: encoding === 'utf-8' ? undefined : new TextDecoder(encoding, { ignoreBOM: true }),
    byteOrderMark: encoding.startsWith('utf-16') ? bytes('\uFEFF') : Buffer.alloc(0),
    isFromMark: encoding === 'utf-16',
  };
}

/**
 * The first terminator at or after `at`; -1: none. `position`: where `bytes` begin in their
 * generation.
 */
export function findLineEnd({ terminator, unit }: Charset, bytes: Buffer, at: number, position: number): number {
  let found = bytes.indexOf(terminator, at);
  // The bytes of U+0A15 U+4E00 contain a line feed, but not as a unit.
  while (unit === 2 && found !== -1 && (position + found) % 2 === 1) found = bytes.indexOf(terminator, found + 1);
  return found;
}

/**
 * How many of `bytes` can be used now. Half a unit, and what may be half a terminator, wait for the
 * bytes after them.
 */
export function completeBytes({ unit, carriageReturn: half }: Charset, bytes: Buffer, position: number): number {
  const length = unit === 2 ? bytes.length - ((position + bytes.length) % 2) : bytes.length;
  if (!half || length < half.length) return Math.max(0, length);
  return bytes.subarray(length - half.length, length).equals(half) ? length - half.length : length;
}

/**
 * How many of `bytes` belong to the byte order mark and are not content. `position`: where `bytes`
 * begin in their generation.
 */
export function markBytes({ byteOrderMark: mark }: Charset, bytes: Buffer, position: number): number {
  return position === 0 && mark.length > 0 && bytes.subarray(0, mark.length).equals(mark) ? mark.length : 0;
}

/** The last boundary between two characters up to `limit`, in the text that begins at `from`. */
export function characterEnd({ decoder, unit }: Charset, bytes: Buffer, from: number, limit: number): number {
  if (!decoder) return utf8CharacterEnd(bytes, from, limit);
  for (let end = limit; end > from && end > limit - CHARACTER_BYTES_MAX; end -= unit) {
    decoder.decode(bytes.subarray(from, end), { stream: true });
    // After complete characters, the decoder has nothing left to flush.
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

function encodeText(text: string, encoding: Encoding): Buffer {
  if (!encoding.startsWith('utf-16')) return Buffer.from(text);
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf-16be' ? bytes.swap16() : bytes;
}
