import fc from 'fast-check';
import type { FilterFacts } from '../../agent/encode/line-filter.ts';
import type { FormatFacts } from '../../agent/encode/line-format.ts';
import type { Encoding } from '../../proto/rules/line-words.ts';
import type { Character } from './line-oracle.ts';

const utf8 = (text: string): Character => [text, Buffer.from(text)];
const le = (text: string): Character => [text, Buffer.from(text, 'utf16le')];
const be = (text: string): Character => [text, Buffer.from(text, 'utf16le').swap16()];
const ascii = ['a', 'b', ' ', '\r', '\n', '\n', '\0'];
// U+010A and U+0A0A contain a line feed's byte. U+0A15 U+4E00 contain it and the next one in a row
// (filebeat#205).
const wide = [...ascii, 'Ċ', 'ਊ', 'ਕ', '一', '一', '\uFEFF', '😀'];
const bytes = (text: string, hex: string): Character => [text, Buffer.from(hex, 'hex')];
// Second bytes that are a backslash or a bar in ASCII, as in Fluent Bit's tests of generic
// encodings.
const ALPHABETS: [Encoding, Character[]][] = [
  ['utf-8', [...ascii, 'é', '一', '😀'].map(utf8)],
  ['utf-16le', wide.map(le)],
  ['utf-16be', wide.map(be)],
  ['utf-16', wide.map(be)],
  ['gb18030', [...ascii.map(utf8), bytes('中', 'd6d0'), bytes('乗', '815c'), bytes('😀', '9439fc36')]],
  ['gbk', [...ascii.map(utf8), bytes('中', 'd6d0'), bytes('乗', '815c')]],
  ['big5', [...ascii.map(utf8), bytes('功', 'a55c'), bytes('一', 'a440')]],
  ['shift_jis', [...ascii.map(utf8), bytes('表', '955c'), bytes('ｱ', 'b1')]],
  ['euc-jp', [...ascii.map(utf8), bytes('表', 'c9bd')]],
  ['euc-kr', [...ascii.map(utf8), bytes('가', 'b0a1')]],
  ['latin1', [...ascii.map(utf8), bytes('é', 'e9'), bytes('€', '80')]],
  ['windows-1251', [...ascii.map(utf8), bytes('Ж', 'c6')]],
];
export const MARKS: Partial<Record<Encoding, Buffer>> = {
  'utf-16': Buffer.from('feff', 'hex'),
  'utf-16le': Buffer.from('fffe', 'hex'),
  'utf-16be': Buffer.from('feff', 'hex'),
};

export const forms = fc.record({
  maxLineBytes: fc.integer({ min: 4, max: 16 }).map((half) => half * 2),
  overLong: fc.constantFrom('split', 'truncate', 'drop'),
  terminator: fc.constantFrom('lf', 'crlf'),
}) satisfies fc.Arbitrary<LineRules>;

const multilines = fc.record({
  pattern: fc.constantFrom({ start: '^a' }, { continuation: '^( |b)' }),
  timeoutMs: fc.constant(1_000),
  maxLines: fc.integer({ min: 2, max: 4 }),
});

/** Some filters search texts in bytes, others don't. */
const filters = fc.constantFrom<FilterFacts>(
  { include: 'a' },
  { exclude: 'b' },
  { include: 'a|一|b ' },
  { include: '^a' },
  { exclude: 'a$' },
  { include: '[ab]', exclude: 'a' },
  { include: 'a', exclude: '^.?$|\\n' },
  { exclude: '^$' },
);

export const entries = {
  multiline: fc.option(multilines, { nil: undefined }),
  filter: fc.option(filters, { nil: undefined }),
};

type LineRules = Required<Pick<FormatFacts, 'maxLineBytes' | 'overLong' | 'terminator'>>;

interface Rules {
  form: LineRules;
  multiline: { pattern: { start: string } | { continuation: string }; timeoutMs: number; maxLines: number } | undefined;
  filter: FilterFacts | undefined;
}

export function factsOf({ form, multiline, filter }: Rules): LineRules & Partial<FormatFacts> {
  return {
    ...form,
    ...(multiline && { multiline: { ...multiline.pattern, ...multiline } }),
    ...(filter && { filter }),
  };
}

export const files = fc.constantFrom(...ALPHABETS).chain(([encoding, alphabet]) =>
  fc.record({
    encoding: fc.constant(encoding),
    characters: fc.array(fc.constantFrom(...alphabet), { maxLength: 120, size: 'max' }),
  }),
);

/** How a file grows, and how much goes into a batch. */
export const ways = fc.record({
  growths: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
  batches: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 }),
});

export function cycle(numbers: readonly number[]): () => number {
  let at = 0;
  return () => numbers[at++ % numbers.length] as number;
}
