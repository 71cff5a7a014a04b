/** How a record batch can be compressed; the first is the default. */
export const COMPRESSIONS = ['lz4', 'none', 'gzip', 'snappy', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** The values of `terminator`. */
export const TERMINATORS = ['lf', 'crlf'] as const;
export type Terminator = (typeof TERMINATORS)[number];

/** The values of `over_long`. */
export const OVER_LONG = ['split', 'truncate', 'drop'] as const;
export type OverLong = (typeof OVER_LONG)[number];

/**
 * The values of `encoding`. All but utf-8 are converted to UTF-8 by the Encoding Standard
 * (https://encoding.spec.whatwg.org). In none of them is a line feed or a carriage return a part of
 * another character, except in the bytes of UTF-16's units. Encodings with escape sequences
 * (iso-2022-jp) are excluded, because a line could not be decoded on its own.
 */
export const ENCODINGS = [
  'utf-8',
  'utf-16',
  'utf-16le',
  'utf-16be',
  'gb18030',
  'gbk',
  'big5',
  'shift_jis',
  'euc-jp',
  'euc-kr',
  'latin1',
  ...['2', '3', '4', '5', '6', '7', '8', '10', '13', '14', '15', '16'].map((part) => `iso-8859-${part}` as const),
  ...['1250', '1251', '1252', '1253', '1254', '1255', '1256', '1257', '1258'].map((page) => `windows-${page}` as const),
  'windows-874',
  'koi8-r',
  'koi8-u',
  'ibm866',
  'macintosh',
] as const;
export type Encoding = (typeof ENCODINGS)[number];

/**
 * Splits a filter's `json_field` into keys, from the outermost object inwards. Keys are separated
 * by dots; `\.` is a dot and `\\` a backslash within a key. Returns undefined if a key is empty, or
 * if a backslash precedes any other character.
 */
export function jsonPath(path: string): string[] | undefined {
  if (!/^(?:[^\\.]|\\[\\.])+(?:\.(?:[^\\.]|\\[\\.])+)*$/su.test(path)) return undefined;
  const keys = path.match(/(?:[^\\.]|\\.)+/gsu) ?? [];
  return keys.map((key) => key.replace(/\\(.)/gsu, '$1'));
}

/**
 * Compiles a pattern of an entry. The flag `u` makes JavaScript reject unknown escapes instead of
 * ignoring them.
 */
export function linePattern(pattern: string): RegExp {
  return new RegExp(pattern, 'u');
}
