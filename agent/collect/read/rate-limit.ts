import type { Clock } from '../../../runtime/clock.ts';

/** The bucket holds the bytes of this time, so a timer this late costs no throughput. */
const BURST_S = 0.5;
/**
 * A waiting reader is woken when the bucket has the bytes of this time, so that a turn is worth it.
 */
const REFILL_S = 0.1;
const WAIT_MIN_MS = 10;

/** Waits for its turn to read. */
export interface Reader {
  /** Returns whether the reader will read. */
  wake(): boolean;
}

/**
 * A limit in bytes per second: a token bucket. A reader that finds it empty waits; waiting readers
 * are woken in order. Only whole lines are read, so the bucket may go below zero, and later reads
 * wait for that.
 */
export class RateLimit {
  readonly #clock: Clock;
  #perSecond = 0;
  #bytes = 0;
  #filledMs = 0;
  readonly #waiting = new Set<Reader>();
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Sets the limit; 0: none. Debt of the previous limit is forgiven, and all waiting readers are
   * woken.
   */
  set(perSecond: number): void {
    if (perSecond === this.#perSecond) return;
    if (this.#perSecond > 0) this.#fill();
    else this.#filledMs = this.#clock.monotonicMs();
    this.#perSecond = perSecond;
    this.#bytes = Math.min(Math.max(this.#bytes, 0), perSecond * BURST_S);
    this.#stopTimer();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const reader of waiting) reader.wake();
  }

  /** How many bytes may be read now. 0: `reader` waits and will be woken. */
  room(reader: Reader): number {
    if (this.#perSecond === 0) return Number.POSITIVE_INFINITY;
    this.#fill();
    if (this.#bytes >= 1) return Math.floor(this.#bytes);
    this.#waiting.add(reader);
    this.#startTimer();
    return 0;
  }

  consumed(bytes: number): void {
    if (this.#perSecond === 0) return;
    this.#bytes -= bytes;
    if (this.#bytes >= 1) this.#wakeNext();
  }

  /** Whether `reader` waits. */
  isWaiting(reader: Reader): boolean {
    return this.#waiting.has(reader);
  }

  /** Drops all waiting readers: they will not be woken. */
  dropWaiting(): void {
    this.#stopTimer();
    this.#waiting.clear();
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const filled = this.#bytes + ((nowMs - this.#filledMs) / 1_000) * this.#perSecond;
    this.#bytes = Math.min(filled, this.#perSecond * BURST_S);
    this.#filledMs = nowMs;
  }

  #startTimer(): void {
    if (this.#cancel) return;
    const ms = (1_000 * (this.#perSecond * REFILL_S - this.#bytes)) / this.#perSecond;
    this.#cancel = this.#clock.after(Math.max(WAIT_MIN_MS, Math.ceil(ms)), () => {
      this.#cancel = undefined;
      this.#fill();
      if (this.#bytes >= 1) this.#wakeNext();
      // The reader that was woken wakes the next one after its read. It may be unable to read now
      // (Kafka is away), and the others must not wait for it.
      if (this.#waiting.size > 0) this.#startTimer();
    });
  }

  #stopTimer(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Wakes readers in order until one reads. */
  #wakeNext(): void {
    for (const reader of this.#waiting) {
      this.#waiting.delete(reader);
      if (reader.wake()) return;
    }
  }
}

/** The limits for the files of one entry: the entry's own, and the agent's. */
export class RateLimits {
  readonly entry: RateLimit;
  readonly #agent: RateLimit | undefined;

  constructor(own: RateLimit, agents: RateLimit | undefined) {
    this.entry = own;
    this.#agent = agents;
  }

  /** See RateLimit.room. */
  room(reader: Reader): number {
    const room = this.entry.room(reader);
    return room === 0 || !this.#agent ? room : Math.min(room, this.#agent.room(reader));
  }

  consumed(bytes: number): void {
    this.entry.consumed(bytes);
    this.#agent?.consumed(bytes);
  }

  isWaiting(reader: Reader): boolean {
    return this.entry.isWaiting(reader) || this.#agent?.isWaiting(reader) === true;
  }
}
