import type { Entry, Filter, Multiline } from '../gen/logfleet/v1/entry.ts';
import type { FieldViolation } from './field-violation.ts';
import { ENCODINGS, jsonPath, linePattern, OVER_LONG, TERMINATORS } from './line-words.ts';

const LINE_BYTES = { min: 1024, max: 900_000, default: 262_144 };
/** One byte can become three: U+FFFD in UTF-8. */
const CONVERTED_LINE_BYTES_MAX = LINE_BYTES.max / 3;
const TIMEOUT_MS = { min: 10, max: 600_000, default: 1_000 };
const LINES = { min: 2, max: 100_000, default: 500 };
const PATTERN_CHARACTERS_MAX = 1_024;
const JSON_FIELD_CHARACTERS_MAX = 256;

/** The rules that an entry's fields for reading lines violate. */
export function lineViolations(entry: Entry): FieldViolation[] {
  return [
    ...lineBytesViolations(entry),
    ...wordViolations('over_long', entry.overLong, OVER_LONG),
    ...wordViolations('terminator', entry.terminator, TERMINATORS),
    ...wordViolations('encoding', entry.encoding, ENCODINGS),
    ...(entry.multiline ? multilineViolations(entry.multiline) : []),
    ...(entry.filter ? filterViolations(entry.filter) : []),
  ];
}

/** The entry's fields for reading lines, with their defaults filled in. */
export function withLineDefaults({ maxLineBytes, overLong, terminator, encoding, multiline }: Entry) {
  return {
    maxLineBytes: maxLineBytes || LINE_BYTES.default,
    overLong: overLong || 'split',
    terminator: terminator || 'lf',
    encoding: encoding || 'utf-8',
    multiline: multiline && {
      ...multiline,
      timeoutMs: multiline.timeoutMs || TIMEOUT_MS.default,
      maxLines: multiline.maxLines || LINES.default,
    },
  };
}

/** Checks that `word` is one of `words`, or empty for the default. */
export function wordViolations(field: string, word: string, words: readonly string[]): FieldViolation[] {
  if (word === '' || words.includes(word)) return [];
  return [{ field, description: `${JSON.stringify(word.slice(0, 100))} is not one of ${words.join(', ')}` }];
}

function lineBytesViolations({ maxLineBytes, encoding }: Entry): FieldViolation[] {
  const converted = encoding !== '' && encoding !== 'utf-8';
  const limits = { ...LINE_BYTES, ...(converted && { max: CONVERTED_LINE_BYTES_MAX }) };
  const why = converted ? `, because a line in ${encoding} can be three times as long in UTF-8` : '';
  return rangeViolations('max_line_bytes', maxLineBytes, limits, why);
}

function multilineViolations(multiline: Multiline): FieldViolation[] {
  const { start, continuation, timeoutMs, maxLines } = multiline;
  return [
    ...(start === '' && continuation === ''
      ? [{ field: 'multiline', description: 'has no pattern: set "start" or "continuation"' }]
      : []),
    ...(start !== '' && continuation !== ''
      ? [{ field: 'multiline', description: 'has both "start" and "continuation": remove one of them' }]
      : []),
    ...patternViolations('multiline.start', start),
    ...patternViolations('multiline.continuation', continuation),
    ...rangeViolations('multiline.timeout_ms', timeoutMs, TIMEOUT_MS),
    ...rangeViolations('multiline.max_lines', maxLines, LINES),
    ...unknownViolations('multiline', multiline),
  ];
}

function filterViolations(filter: Filter): FieldViolation[] {
  const { include, exclude, jsonField } = filter;
  return [
    ...(include === '' && exclude === ''
      ? [{ field: 'filter', description: 'has no pattern: set "include", "exclude" or both' }]
      : []),
    ...patternViolations('filter.include', include),
    ...patternViolations('filter.exclude', exclude),
    ...jsonFieldViolations('filter.json_field', jsonField),
    ...unknownViolations('filter', filter),
  ];
}

function jsonFieldViolations(field: string, path: string): FieldViolation[] {
  if (path.length > JSON_FIELD_CHARACTERS_MAX)
    return [{ field, description: `${path.length} characters are too many: use at most ${JSON_FIELD_CHARACTERS_MAX}` }];
  if (path === '' || jsonPath(path)) return [];
  const rule = 'separate keys with dots, and write "\\." for a dot and "\\\\" for a backslash within a key';
  return [{ field, description: `${JSON.stringify(path)} is not a path of keys: ${rule}` }];
}

function unknownViolations(within: string, message: Pick<Entry, '_unknownFields'>): FieldViolation[] {
  const unknown = Object.keys(message._unknownFields ?? {}).map((tag) => Number(tag) >>> 3);
  return unknown.map((number) => ({
    field: `${within}.#${number}`,
    description: `field number ${number} is unknown to this version of logfleet: remove it or upgrade`,
  }));
}

function patternViolations(field: string, pattern: string): FieldViolation[] {
  if (pattern.length > PATTERN_CHARACTERS_MAX) {
    return [{ field, description: `${pattern.length} characters are too many: use at most ${PATTERN_CHARACTERS_MAX}` }];
  }
  try {
    linePattern(pattern);
    return [];
  } catch (error) {
    return [{ field, description: (error as Error).message }];
  }
}

function rangeViolations(
  field: string,
  value: number,
  { min, max }: { min: number; max: number },
  why = '',
): FieldViolation[] {
  if (value === 0 || (value >= min && value <= max)) return [];
  return [{ field, description: `${value} is out of range: use ${min} to ${max}${why}` }];
}
