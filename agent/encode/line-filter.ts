import { isAscii } from 'node:buffer';
import { jsonPath, linePattern } from '../../proto/rules/line-words.ts';
import { JsonField } from './json-field.ts';

/** Which records are sent. At least one of the patterns is given. */
export interface FilterFacts {
  include?: string;
  exclude?: string;
  /** The patterns apply to this field of the record. */
  jsonField?: string;
}

/**
 * Matches a pattern that consists of literal texts only, separated by `|`. A text is a run of
 * characters that are escaped or have no special meaning.
 */
const LITERALS =
  /^(?:[^\\^$.*+?()[\]{}|]|\\[\\^$.*+?()[\]{}|/])+(?:\|(?:[^\\^$.*+?()[\]{}|]|\\[\\^$.*+?()[\]{}|/])+)*$/u;

/**
 * Decides which records are sent by the bytes of their values alone, so the same bytes always get
 * the same result. A record that can't be judged is kept: it is no JSON object, lacks the field, or
 * exhausts a pattern.
 */
export class LineFilter {
  readonly #include: LiteralSearch | RegExp | undefined;
  readonly #exclude: LiteralSearch | RegExp | undefined;
  readonly #field: JsonField | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #isAscii = false;
  /** All of `#bytes`, made on demand: a substring is cheaper than a string of its own. */
  #text: string | undefined;

  constructor({ include, exclude, jsonField }: FilterFacts) {
    const path = jsonField === undefined ? undefined : jsonPath(jsonField);
    this.#field = path && new JsonField(path);
    const matcher = (pattern: string) => (this.#field ? undefined : literalsOf(pattern)) ?? linePattern(pattern);
    this.#include = include === undefined ? undefined : matcher(include);
    this.#exclude = exclude === undefined ? undefined : matcher(exclude);
  }

  /** The next records lie in `bytes`, one after the other. */
  begin(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#text = undefined;
    this.#isAscii = !this.#field && isAscii(bytes);
    if (this.#include instanceof LiteralSearch) this.#include.begin(bytes);
    if (this.#exclude instanceof LiteralSearch) this.#exclude.begin(bytes);
  }

  keeps(from: number, to: number): boolean {
    const include = this.#include;
    const exclude = this.#exclude;
    if (include instanceof LiteralSearch && !include.isFoundIn(from, to)) return false;
    if (exclude instanceof LiteralSearch && exclude.isFoundIn(from, to)) return false;
    const included = include instanceof RegExp ? include : undefined;
    const excluded = exclude instanceof RegExp ? exclude : undefined;
    if (!included && !excluded) return true;
    const text = this.#field ? this.#field.findText(this.#bytes, from, to) : this.#textIn(from, to);
    return (
      text === undefined ||
      ((!included || matches(included, text, true)) && !(excluded && matches(excluded, text, false)))
    );
  }

  #textIn(from: number, to: number): string {
    if (!this.#isAscii) return this.#bytes.toString('utf8', from, to);
    this.#text ??= this.#bytes.toString('latin1');
    return this.#text.substring(from, to);
  }
}

/**
 * Finds literal texts in bytes, without making strings. It searches beyond the current record, so a
 * rare text costs nothing per record.
 */
class LiteralSearch {
  readonly #texts: readonly Buffer[];
  /** The next occurrence of each text; Infinity: none. */
  readonly #next: number[];
  #bytes: Buffer = Buffer.alloc(0);

  constructor(texts: readonly string[]) {
    this.#texts = texts.map((text) => Buffer.from(text));
    this.#next = texts.map(() => -1);
  }

  begin(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#next.fill(-1);
  }

  /** Whether one of the texts is in `[from, to)`. `from` never decreases. */
  isFoundIn(from: number, to: number): boolean {
    for (let index = 0; index < this.#texts.length; index++) {
      const text = this.#texts[index] as Buffer;
      let at = this.#next[index] as number;
      if (at < from) {
        const found = this.#bytes.indexOf(text, from);
        at = this.#next[index] = found === -1 ? Number.POSITIVE_INFINITY : found;
      }
      if (at + text.length <= to) return true;
    }
    return false;
  }
}

/** `fallback`: the result if V8 throws because the pattern backtracks through too much memory. */
function matches(pattern: RegExp, text: string, fallback: boolean): boolean {
  try {
    return pattern.test(text);
  } catch {
    return fallback;
  }
}

function literalsOf(pattern: string): LiteralSearch | undefined {
  // U+FFFD in a decoded text stands for invalid UTF-8, which has other bytes.
  if (!LITERALS.test(pattern) || !pattern.isWellFormed() || pattern.includes('\uFFFD')) return undefined;
  const texts = pattern.match(/(?:\\.|[^|])+/gu) ?? [];
  return new LiteralSearch(texts.map((text) => text.replace(/\\(.)/gu, '$1')));
}
