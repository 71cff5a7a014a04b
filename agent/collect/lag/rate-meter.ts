const WINDOW_MS = 5_000;

/** How much per second, over about the last five seconds, or another window: two of them, the older one fading out. Costs nothing while idle. */
export class RateMeter {
  readonly #windowMs: number;
  #windowStartMs = 0;
  #current = 0;
  #former = 0;

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
    return ((this.#former * (1 - elapsed) + this.#current) * 1000) / this.#windowMs;
  }

  #roll(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowStartMs) / this.#windowMs);
    if (windows === 0) return;
    this.#former = windows === 1 ? this.#current : 0;
    this.#current = 0;
    this.#windowStartMs += windows * this.#windowMs;
  }
}
