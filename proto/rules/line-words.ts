/** How a record batch can be compressed; the first is the default. */
export const COMPRESSIONS = ['lz4', 'none', 'gzip', 'snappy', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** Where a line ends. */
export const TERMINATORS = ['lf', 'crlf'] as const;
export type Terminator = (typeof TERMINATORS)[number];

/** What becomes of a line that is longer than allowed. */
export const OVER_LONG = ['split', 'truncate', 'drop'] as const;
export type OverLong = (typeof OVER_LONG)[number];

/**
 * The encodings that lines can be in. All but utf-8 are converted to it, as the Encoding Standard says (https://encoding.spec.whatwg.org).
 * None of them has a line feed or a carriage return as part of another character, but for the bytes of UTF-16's units. Encodings with
 * escape sequences (iso-2022-jp) are not among them: a line could not be read on its own.
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
 * The keys that a filter's `json_field` names, from the outermost object's on: a dot goes one object deeper, `\.` is a dot of a key and `\\` a
 * backslash. undefined: a key is empty, or a backslash stands before something else.
 */
export function jsonPath(path: string): string[] | undefined {
  if (!/^(?:[^\\.]|\\[\\.])+(?:\.(?:[^\\.]|\\[\\.])+)*$/su.test(path)) return undefined;
  const keys = path.match(/(?:[^\\.]|\\.)+/gsu) ?? [];
  return keys.map((key) => key.replace(/\\(.)/gsu, '$1'));
}

/** An entry's patterns are of JavaScript, in its strict (`u`) form: an escape that it does not know is refused, not taken for something else. */
export function linePattern(pattern: string): RegExp {
  return new RegExp(pattern, 'u');
}
