import { isAscii } from 'node:buffer';
import { jsonPath, linePattern } from '../../proto/rules/line-words.ts';
import { JsonField } from './json-field.ts';

/** Which records go; at least one of the patterns is given. */
export interface FilterFacts {
  include?: string;
  exclude?: string;
  /** The patterns look at this field of the record. */
  jsonField?: string;
}

/** A pattern that is nothing but texts, one of which must be there: each is a run of characters that stand for themselves, or are escaped. */
const TEXTS = /^(?:[^\\^$.*+?()[\]{}|]|\\[\\^$.*+?()[\]{}|/])+(?:\|(?:[^\\^$.*+?()[\]{}|]|\\[\\^$.*+?()[\]{}|/])+)*$/u;

/**
 * Judges records by the bytes of their values, and by nothing else: the same bytes are kept whenever they are read. What can't be judged is
 * kept: a record that is no JSON object, or lacks the field, or is too much for a pattern.
 */
export class LineFilter {
  readonly #include: Texts | RegExp | undefined;
  readonly #exclude: Texts | RegExp | undefined;
  readonly #field: JsonField | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #ascii = false;
  /** All of `#bytes`, once it is asked for: a part of it is cheaper than a string of its own. */
  #text: string | undefined;

  constructor({ include, exclude, jsonField }: FilterFacts) {
    const path = jsonField === undefined ? undefined : jsonPath(jsonField);
    this.#field = path && new JsonField(path);
    const matcher = (pattern: string) => (this.#field ? undefined : textsOf(pattern)) ?? linePattern(pattern);
    this.#include = include === undefined ? undefined : matcher(include);
    this.#exclude = exclude === undefined ? undefined : matcher(exclude);
  }

  /** The records to be judged next lie in `bytes`, one behind the other. */
  begin(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#text = undefined;
    this.#ascii = !this.#field && isAscii(bytes);
    if (this.#include instanceof Texts) this.#include.begin(bytes);
    if (this.#exclude instanceof Texts) this.#exclude.begin(bytes);
  }

  keeps(from: number, to: number): boolean {
    const include = this.#include;
    const exclude = this.#exclude;
    if (include instanceof Texts && !include.areIn(from, to)) return false;
    if (exclude instanceof Texts && exclude.areIn(from, to)) return false;
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
    if (!this.#ascii) return this.#bytes.toString('utf8', from, to);
    this.#text ??= this.#bytes.toString('latin1');
    return this.#text.substring(from, to);
  }
}

/** Finds texts in bytes, without a string: each is looked for beyond the record at once, so that what is rare costs nothing a record. */
class Texts {
  readonly #texts: readonly Buffer[];
  /** Where each is next, as far as it was looked for. */
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

  /** Whether one of them is in `[from, to)`. `from` only goes on. */
  areIn(from: number, to: number): boolean {
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

/** `otherwise`: when the pattern backtracks through more memory than V8 gives it, which it tells by throwing. */
function matches(pattern: RegExp, text: string, otherwise: boolean): boolean {
  try {
    return pattern.test(text);
  } catch {
    return otherwise;
  }
}

function textsOf(pattern: string): Texts | undefined {
  // In bytes U+FFFD is whatever is no UTF-8.
  if (!TEXTS.test(pattern) || !pattern.isWellFormed() || pattern.includes('\uFFFD')) return undefined;
  const texts = pattern.match(/(?:\\.|[^|])+/gu) ?? [];
  return new Texts(texts.map((text) => text.replace(/\\(.)/gu, '$1')));
}
