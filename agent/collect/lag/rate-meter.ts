const WINDOW_MS = 5_000;

/**
 * An amount per second over about the last window (five seconds by default). It keeps two windows,
 * the older of which fades out. It costs nothing while idle.
 */
export class RateMeter {
  readonly #windowMs: number;
  #windowStartMs = 0;
  #current = 0;
  #previous = 0;

  constructor(windowMs = WINDOW_MS) {
    this.#windowMs = windowMs;
  }

  add(amount: number, nowMs: number): void {
    this.#roll(nowMs);
    this.#current += amount;
  }

  perSecond(nowMs: number): number {
    this.#roll(nowMs);
    const elapsed = (nowMs - this.#windowStartMs) / this.#windowMs;
    return ((this.#previous * (1 - elapsed) + this.#current) * 1000) / this.#windowMs;
  }

  #roll(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowStartMs) / this.#windowMs);
    if (windows === 0) return;
    this.#previous = windows === 1 ? this.#current : 0;
    this.#current = 0;
    this.#windowStartMs += windows * this.#windowMs;
  }
}
