const WINDOW_MS = 5_000;

/** How much per second, over about the last five seconds: two windows, the older one fading out. Costs nothing while idle. */
export class RateMeter {
  #windowStartMs = 0;
  #current = 0;
  #former = 0;

  add(amount: number, nowMs: number): void {
    this.#roll(nowMs);
    this.#current += amount;
  }

  perSecond(nowMs: number): number {
    this.#roll(nowMs);
    const elapsed = (nowMs - this.#windowStartMs) / WINDOW_MS;
    return ((this.#former * (1 - elapsed) + this.#current) * 1000) / WINDOW_MS;
  }

  #roll(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowStartMs) / WINDOW_MS);
    if (windows === 0) return;
    this.#former = windows === 1 ? this.#current : 0;
    this.#current = 0;
    this.#windowStartMs += windows * WINDOW_MS;
  }
}
