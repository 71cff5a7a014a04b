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

/** In a string, the bytes of ASCII that are what they are. */
const STANDS_FOR_ITSELF = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
/** What may follow a backslash, but for `u` and its four digits. */
const ESCAPED = new Set(Buffer.from('"\\/bfnrt'));
const WORDS = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]));

/**
 * Finds one field of a JSON object (RFC 8259) in its bytes, and checks all of it on the way: an object here is one for `JSON.parse`, of two
 * equal keys the later one counts, and how deep it is makes no difference. No object per call but the field's text.
 */
export class JsonField {
  readonly #keys: readonly { text: string; bytes: Buffer }[];
  #bytes: Buffer = Buffer.alloc(0);
  #to = 0;
  /** 1: object, 0: array; of what is open, from the outermost on. */
  #open = new Uint8Array(64);
  #depth = 0;
  /** How many keys of the path have led into what is open. */
  #onPath = 0;
  /** The field's value, as far as it was met. */
  #found = INVALID;
  #foundEnd = INVALID;
  /** Of the last string: it stands for itself, byte for byte. */
  #plain = true;

  /** `path`: the keys, from the outermost object's on; at least one. */
  constructor(path: readonly string[]) {
    this.#keys = path.map((text) => ({ text, bytes: Buffer.from(text) }));
  }

  /** A string's text, or the JSON of another value as it stands there. undefined: it is no object, or has no such field. */
  findText(bytes: Buffer, from: number, to: number): string | undefined {
    this.#bytes = bytes;
    this.#to = to;
    this.#depth = this.#onPath = 0;
    this.#found = INVALID;
    const start = this.#space(from);
    if (this.#byte(start) !== OBJECT || this.#document(start) === INVALID || this.#found === INVALID) return undefined;
    if (bytes[this.#found] !== QUOTE) return bytes.toString('utf8', this.#found, this.#foundEnd);
    this.#string(this.#found);
    return this.#textOf(this.#found, this.#foundEnd);
  }

  /** Goes from value to value, in and out of what is open; INVALID, or the end. */
  #document(start: number): number {
    let at = start;
    do {
      const byte = this.#byte(at);
      if (byte === OBJECT || byte === ARRAY) {
        this.#enter(byte === OBJECT);
        const inside = this.#space(at + 1);
        const empty = this.#byte(inside) === (byte === OBJECT ? OBJECT_END : ARRAY_END);
        at = empty ? this.#leave(inside) : byte === OBJECT ? this.#key(inside) : inside;
        if (!empty) continue;
      } else {
        at = this.#scalar(at, byte);
        if (at === INVALID) return INVALID;
        this.#ends(at);
      }
      at = this.#next(at);
    } while (at !== INVALID && this.#depth > 0);
    return at === INVALID || this.#space(at) !== this.#to ? INVALID : at;
  }

  /** Behind a value: where the next one begins, when something is open still. */
  #next(from: number): number {
    let at = from;
    while (this.#depth > 0) {
      const inObject = this.#open[this.#depth - 1] === 1;
      at = this.#space(at);
      const byte = this.#byte(at);
      if (byte === COMMA) {
        at = this.#space(at + 1);
        return inObject ? this.#key(at) : at;
      }
      if (byte !== (inObject ? OBJECT_END : ARRAY_END)) return INVALID;
      at = this.#leave(at);
    }
    return at;
  }

  #enter(object: boolean): void {
    if (this.#depth === this.#open.length) {
      const larger = new Uint8Array(this.#open.length * 2);
      larger.set(this.#open);
      this.#open = larger;
    }
    this.#open[this.#depth++] = object ? 1 : 0;
  }

  /** `at` what is open ends. */
  #leave(at: number): number {
    this.#depth--;
    this.#onPath = Math.min(this.#onPath, Math.max(0, this.#depth - 1));
    this.#ends(at + 1);
    return at + 1;
  }

  /** A value ends: the field's, when it is the one that was met last. */
  #ends(at: number): void {
    if (this.#foundEnd === INVALID && this.#depth === this.#keys.length && this.#onPath === this.#depth - 1)
      this.#foundEnd = at;
  }

  /** Takes in a key and its colon; where the value begins. */
  #key(at: number): number {
    const end = this.#string(at);
    if (end === INVALID) return INVALID;
    const colon = this.#space(end);
    if (this.#byte(colon) !== COLON) return INVALID;
    const value = this.#space(colon + 1);
    if (this.#onPath === this.#depth - 1 && this.#isKey(at, end)) {
      const last = this.#depth === this.#keys.length;
      [this.#found, this.#foundEnd] = last ? [value, INVALID] : [INVALID, INVALID];
      if (!last && this.#byte(value) === OBJECT) this.#onPath = this.#depth;
    }
    return value;
  }

  /** Whether the string from `at` to `end`, the one read last, is the path's key at this depth. */
  #isKey(at: number, end: number): boolean {
    const key = this.#keys[this.#depth - 1];
    if (!key) return false;
    if (!this.#plain) return this.#textOf(at, end) === key.text;
    const { length } = key.bytes;
    if (end - at - 2 !== length) return false;
    for (let index = 0; index < length; index++) if (this.#bytes[at + 1 + index] !== key.bytes[index]) return false;
    return true;
  }

  /** Of a string with its quotes, the one read last. */
  #textOf(at: number, end: number): string {
    if (this.#plain) return this.#bytes.toString('latin1', at + 1, end - 1);
    return JSON.parse(this.#bytes.toString('utf8', at, end));
  }

  #scalar(at: number, byte: number): number {
    if (byte === QUOTE) return this.#string(at);
    if (byte === MINUS || isDigit(byte)) return this.#number(at);
    const word = WORDS.get(byte);
    if (!word || at + word.length > this.#to) return INVALID;
    for (let index = 1; index < word.length; index++) if (this.#bytes[at + index] !== word[index]) return INVALID;
    return at + word.length;
  }

  #string(from: number): number {
    const bytes = this.#bytes;
    const to = this.#to;
    if (this.#byte(from) !== QUOTE) return INVALID;
    this.#plain = true;
    for (let at = from + 1; ; at++) {
      while (at < to && STANDS_FOR_ITSELF[bytes[at] as number] === 1) at++;
      const byte = this.#byte(at);
      if (byte === QUOTE) return at + 1;
      if (byte < 0x20) return INVALID;
      this.#plain = false;
      if (byte === BACKSLASH) {
        const escaped = this.#byte(++at);
        if (escaped === LETTER_U) {
          for (let digit = 0; digit < 4; digit++) if (!isHexDigit(this.#byte(++at))) return INVALID;
        } else if (!ESCAPED.has(escaped)) return INVALID;
      }
    }
  }

  #number(from: number): number {
    const first = this.#byte(from) === MINUS ? from + 1 : from;
    let at = this.#byte(first) === ZERO ? first + 1 : this.#digits(first);
    if (at !== INVALID && this.#byte(at) === DOT) at = this.#digits(at + 1);
    if (at === INVALID || (this.#byte(at) | 0x20) !== LETTER_E) return at;
    const sign = this.#byte(at + 1);
    return this.#digits(sign === PLUS || sign === MINUS ? at + 2 : at + 1);
  }

  /** At least one. */
  #digits(from: number): number {
    let at = from;
    while (isDigit(this.#byte(at))) at++;
    return at === from ? INVALID : at;
  }

  #space(from: number): number {
    let at = from;
    for (let byte = this.#byte(at); byte === 0x20 || (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b && byte !== 0x0c); )
      byte = this.#byte(++at);
    return at;
  }

  /** 0 behind the end: it belongs nowhere in JSON. */
  #byte(at: number): number {
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
