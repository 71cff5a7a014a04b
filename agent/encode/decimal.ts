const ZERO = 0x30;
/** Number.MAX_SAFE_INTEGER has 16 digits. */
const DIGITS_MAX = 16;

/**
 * A byte position as decimal digits in ASCII. A line's END is the next line's START, so it is
 * computed once, by adding a small number: no division, no string. Positions are safe integers
 * (8 PiB; no known file system holds a larger file).
 */
export class DecimalPosition {
  readonly #digits = new Uint8Array(DIGITS_MAX);
  #from = DIGITS_MAX;

  /** The number of digits. */
  get length(): number {
    return DIGITS_MAX - this.#from;
  }

  set(value: number): void {
    let at = DIGITS_MAX;
    let rest = value;
    do {
      this.#digits[--at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    } while (rest > 0);
    this.#from = at;
  }

  /** Adds 0 <= amount < 2^30. */
  add(amount: number): void {
    let at = DIGITS_MAX;
    let carry = amount;
    while (carry > 0) {
      at--;
      const sum = carry + (at < this.#from ? 0 : (this.#digits[at] as number) - ZERO);
      carry = (sum / 10) | 0;
      this.#digits[at] = ZERO + (sum - carry * 10);
    }
    if (at < this.#from) this.#from = at;
  }

  /** Writes the digits at `at` and returns the position after them. */
  write(target: Uint8Array, at: number): number {
    let to = at;
    for (let index = this.#from; index < DIGITS_MAX; index++) target[to++] = this.#digits[index] as number;
    return to;
  }
}
