import { constants, inflateSync } from 'node:zlib';
import { readAt } from './file-io.ts';

/** Enough for each format: a tar header has 512 bytes. */
const HEAD_BYTES = 1024;
const TAR_HEADER_BYTES = 512;
/**
 * Where the header of a tar archive has its checksum: six octal digits, NUL, blank (POSIX ustar).
 */
const TAR_CHECKSUM = { start: 148, end: 156 };
const BLANK = 0x20;

interface Format {
  name: string;
  matches(head: Buffer, isWhole: boolean): boolean;
}

/** Begins with these bytes, in hex. `..` is any byte. */
function magic(name: string, hex: string): Format {
  const pattern = new RegExp(`^${hex}`);
  return { name, matches: (head) => pattern.test(head.subarray(0, hex.length).toString('hex')) };
}

/**
 * The formats of archives, by their magic numbers. No log begins so, whatever its encoding. Most
 * have control characters. Those that do not are ten fixed characters ("BZh91AY&SY"), or no text
 * that anybody writes ("(µ/ý" in Latin-1). What may be text is checked further.
 */
const FORMATS: readonly Format[] = [
  // RFC 1952: deflate is the only method, and the three upper flags are 0.
  magic('gzip', '1f8b08[01].'),
  // RFC 8878, and a skippable frame before it.
  magic('zstd', '28b52ffd'),
  magic('zstd or lz4', '5.2a4d18'),
  magic('xz', 'fd377a585a00'),
  // "BZh", the level, and the number of a block or of the end.
  magic('bzip2', '425a683[1-9](314159265359|177245385090)'),
  // A file, an empty archive, or a part of several.
  magic('zip', '504b(0304|0506|0708)'),
  // LZ4 frame format 1.6: version 1. The second is its legacy frame.
  magic('lz4', '04224d18[4-7].'),
  magic('lz4', '02214c18'),
  magic('lzip', '4c5a495001'),
  magic('lzop', '894c5a4f000d0a1a0a'),
  magic('snappy', 'ff060000734e61507059'),
  magic('7z', '377abcaf271c'),
  magic('rar', '526172211a07'),
  // Block mode, with codes of 9 to 16 bits.
  magic('compress', '1f9d(89|8[a-f]|90)'),
  { name: 'lzma', matches: isLzma },
  { name: 'zlib', matches: isZlib },
  { name: 'tar', matches: isTar },
];

/**
 * The format of an open file that is an archive, and has no lines to be read: most are of logs that
 * were already read. undefined: it is none, or has no magic number, as Brotli and raw deflate.
 */
export async function archiveFormatOf(fd: number): Promise<string | undefined> {
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return archiveFormat(buffer.subarray(0, bytesRead), bytesRead < HEAD_BYTES);
}

/** Whether `bytes`, read at the beginning of a file, are those of an archive. */
export function beginsAsArchive(bytes: Buffer): boolean {
  return archiveFormat(bytes.subarray(0, HEAD_BYTES), bytes.length < HEAD_BYTES) !== undefined;
}

/** The format of an archive that begins with `head`. `isWhole`: that is all of it. */
export function archiveFormat(head: Buffer, isWhole: boolean): string | undefined {
  return FORMATS.find(({ matches }) => matches(head, isWhole))?.name;
}

/**
 * The format of LZMA alone has no magic number. The usual properties (lc=3, lp=0, pb=2), a size of
 * the dictionary and of the content that the format's tools write, and a first byte of the range
 * coder that is always 0, are as good.
 */
function isLzma(head: Buffer): boolean {
  if (head.length < 14 || head[0] !== 0x5d || head[13] !== 0) return false;
  const dictionary = head.readUInt32LE(1);
  const size = head.readBigUInt64LE(5);
  const isSizeKnown = size < 1n << 38n;
  return (isPowerOfTwo(dictionary) || isPowerOfTwo(dictionary / 3)) && (isSizeKnown || size === 2n ** 64n - 1n);
}

function isPowerOfTwo(value: number): boolean {
  return value >= 4096 && Number.isInteger(Math.log2(value));
}

/** RFC 1950. The first two bytes may be text ("x^"), so the rest is tried. */
function isZlib(head: Buffer, isWhole: boolean): boolean {
  if (head.length < 2 || head[0] !== 0x78 || head.readUInt16BE(0) % 31 !== 0) return false;
  if (!isWhole && head.length < HEAD_BYTES) return false;
  try {
    // All of a short one can be checked, with its checksum. Of others at least the beginning.
    const { Z_FINISH, Z_SYNC_FLUSH } = constants;
    return inflateSync(head, { finishFlush: isWhole ? Z_FINISH : Z_SYNC_FLUSH }).length > 0;
  } catch {
    // It is not deflated.
    return false;
  }
}

/**
 * By the header's checksum, so that archives from before POSIX, without "ustar", are known, too.
 */
function isTar(head: Buffer): boolean {
  if (head.length < TAR_HEADER_BYTES) return false;
  const { start, end } = TAR_CHECKSUM;
  const [digits] = /^ *[0-7]+(?=[ \0])/.exec(head.toString('latin1', start, end)) ?? [];
  if (digits === undefined) return false;
  let sum = BLANK * (end - start);
  for (let at = 0; at < TAR_HEADER_BYTES; at++) if (at < start || at >= end) sum += head[at] as number;
  return Number.parseInt(digits, 8) === sum;
}
