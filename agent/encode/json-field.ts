const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const ARRAY_END = 0x5d;
const LETTER_E = 0x65;
const LETTER_U = 0x75;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
const INVALID = -1;

/** ASCII bytes that need no decoding in a string. */
const IS_LITERAL = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
/** What may follow a backslash, except `u` and its four digits. */
const ESCAPED = new Set(Buffer.from('"\\/bfnrt'));
const WORDS = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]));

/**
 * Finds one field of a JSON object (RFC 8259) in its bytes and validates the whole document, with
 * the results of `JSON.parse`: it accepts the same documents, and the last of equal keys wins. The
 * depth is not limited. A call allocates nothing but the field's text.
 */
export class JsonField {
  readonly #keys: readonly { text: string; bytes: Buffer }[];
  #bytes: Buffer = Buffer.alloc(0);
  #to = 0;
  /** The open objects (1) and arrays (0), the outermost first. */
  #openObjects = new Uint8Array(64);
  #depth = 0;
  /** How many keys of the path lead to the innermost open object. */
  #matchedKeys = 0;
  /** Where the field's value begins and ends. INVALID: not seen yet. */
  #found = INVALID;
  #foundEnd = INVALID;
  /** The last string is ASCII without escapes. */
  #isPlain = true;

  /** `path`: the keys from the outermost object inwards, at least one. */
  constructor(path: readonly string[]) {
    this.#keys = path.map((text) => ({ text, bytes: Buffer.from(text) }));
  }

  /**
   * The text of the field if it is a string, else the JSON of its value. undefined: the bytes are
   * no JSON object, or it has no such field.
   */
  findText(bytes: Buffer, from: number, to: number): string | undefined {
    this.#bytes = bytes;
    this.#to = to;
    this.#depth = this.#matchedKeys = 0;
    this.#found = INVALID;
    const start = this.#skipSpace(from);
    if (this.#byteAt(start) !== OBJECT || this.#parseDocument(start) === INVALID || this.#found === INVALID)
      return undefined;
    if (bytes[this.#found] !== QUOTE) return bytes.toString('utf8', this.#found, this.#foundEnd);
    this.#parseString(this.#found);
    return this.#decode(this.#found, this.#foundEnd);
  }

  /** Parses value by value, into and out of objects and arrays. Returns the end, or INVALID. */
  #parseDocument(start: number): number {
    let at = start;
    do {
      const byte = this.#byteAt(at);
      if (byte === OBJECT || byte === ARRAY) {
        this.#enter(byte === OBJECT);
        const inside = this.#skipSpace(at + 1);
        const empty = this.#byteAt(inside) === (byte === OBJECT ? OBJECT_END : ARRAY_END);
        at = empty ? this.#leave(inside) : byte === OBJECT ? this.#parseKey(inside) : inside;
        if (!empty) continue;
      } else {
        at = this.#parseScalar(at, byte);
        if (at === INVALID) return INVALID;
        this.#endValue(at);
      }
      at = this.#findNextValue(at);
    } while (at !== INVALID && this.#depth > 0);
    return at === INVALID || this.#skipSpace(at) !== this.#to ? INVALID : at;
  }

  /** After a value: where the next value begins, or the end of the document. */
  #findNextValue(from: number): number {
    let at = from;
    while (this.#depth > 0) {
      const inObject = this.#openObjects[this.#depth - 1] === 1;
      at = this.#skipSpace(at);
      const byte = this.#byteAt(at);
      if (byte === COMMA) {
        at = this.#skipSpace(at + 1);
        return inObject ? this.#parseKey(at) : at;
      }
      if (byte !== (inObject ? OBJECT_END : ARRAY_END)) return INVALID;
      at = this.#leave(at);
    }
    return at;
  }

  #enter(object: boolean): void {
    if (this.#depth === this.#openObjects.length) {
      const larger = new Uint8Array(this.#openObjects.length * 2);
      larger.set(this.#openObjects);
      this.#openObjects = larger;
    }
    this.#openObjects[this.#depth++] = object ? 1 : 0;
  }

  /** The innermost object or array ends at `at`. */
  #leave(at: number): number {
    this.#depth--;
    this.#matchedKeys = Math.min(this.#matchedKeys, Math.max(0, this.#depth - 1));
    this.#endValue(at + 1);
    return at + 1;
  }

  /** A value ends. It is the field's if the field's key was seen last. */
  #endValue(at: number): void {
    if (this.#foundEnd === INVALID && this.#depth === this.#keys.length && this.#matchedKeys === this.#depth - 1)
      this.#foundEnd = at;
  }

  /** Parses a key and its colon. Returns where the value begins. */
  #parseKey(at: number): number {
    const end = this.#parseString(at);
    if (end === INVALID) return INVALID;
    const colon = this.#skipSpace(end);
    if (this.#byteAt(colon) !== COLON) return INVALID;
    const value = this.#skipSpace(colon + 1);
    if (this.#matchedKeys === this.#depth - 1 && this.#isKey(at, end)) {
      const last = this.#depth === this.#keys.length;
      [this.#found, this.#foundEnd] = last ? [value, INVALID] : [INVALID, INVALID];
      if (!last && this.#byteAt(value) === OBJECT) this.#matchedKeys = this.#depth;
    }
    return value;
  }

  /** Whether the last string, from `at` to `end`, is the path's key at this depth. */
  #isKey(at: number, end: number): boolean {
    const key = this.#keys[this.#depth - 1];
    if (!key) return false;
    if (!this.#isPlain) return this.#decode(at, end) === key.text;
    const { length } = key.bytes;
    if (end - at - 2 !== length) return false;
    for (let index = 0; index < length; index++) if (this.#bytes[at + 1 + index] !== key.bytes[index]) return false;
    return true;
  }

  /** The text of the last string, which lies with its quotes from `at` to `end`. */
  #decode(at: number, end: number): string {
    if (this.#isPlain) return this.#bytes.toString('latin1', at + 1, end - 1);
    return JSON.parse(this.#bytes.toString('utf8', at, end));
  }

  #parseScalar(at: number, byte: number): number {
    if (byte === QUOTE) return this.#parseString(at);
    if (byte === MINUS || isDigit(byte)) return this.#parseNumber(at);
    const word = WORDS.get(byte);
    if (!word || at + word.length > this.#to) return INVALID;
    for (let index = 1; index < word.length; index++) if (this.#bytes[at + index] !== word[index]) return INVALID;
    return at + word.length;
  }

  #parseString(from: number): number {
    const bytes = this.#bytes;
    const to = this.#to;
    if (this.#byteAt(from) !== QUOTE) return INVALID;
    this.#isPlain = true;
    for (let at = from + 1; ; at++) {
      while (at < to && IS_LITERAL[bytes[at] as number] === 1) at++;
      const byte = this.#byteAt(at);
      if (byte === QUOTE) return at + 1;
      if (byte < 0x20) return INVALID;
      this.#isPlain = false;
      if (byte === BACKSLASH) {
        const escaped = this.#byteAt(++at);
        if (escaped === LETTER_U) {
          for (let digit = 0; digit < 4; digit++) if (!isHexDigit(this.#byteAt(++at))) return INVALID;
        } else if (!ESCAPED.has(escaped)) return INVALID;
      }
    }
  }

  #parseNumber(from: number): number {
    const first = this.#byteAt(from) === MINUS ? from + 1 : from;
    let at = this.#byteAt(first) === ZERO ? first + 1 : this.#parseDigits(first);
    if (at !== INVALID && this.#byteAt(at) === DOT) at = this.#parseDigits(at + 1);
    if (at === INVALID || (this.#byteAt(at) | 0x20) !== LETTER_E) return at;
    const sign = this.#byteAt(at + 1);
    return this.#parseDigits(sign === PLUS || sign === MINUS ? at + 2 : at + 1);
  }

  /** At least one. */
  #parseDigits(from: number): number {
    let at = from;
    while (isDigit(this.#byteAt(at))) at++;
    return at === from ? INVALID : at;
  }

  #skipSpace(from: number): number {
    let at = from;
    for (
      let byte = this.#byteAt(at);
      byte === 0x20 || (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b && byte !== 0x0c);
    )
      byte = this.#byteAt(++at);
    return at;
  }

  /** Returns 0, which is invalid everywhere in JSON, after the end. */
  #byteAt(at: number): number {
    return at < this.#to ? (this.#bytes[at] as number) : 0;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function isHexDigit(byte: number): boolean {
  const letter = byte | 0x20;
  return isDigit(byte) || (letter >= 0x61 && letter <= 0x66);
}
