import type { Clock } from '../../../runtime/clock.ts';

/** So much of a second's bytes may be read at once; also what a timer may come late without costing any. */
const BURST_S = 0.5;
/** Whoever waits is woken when there are bytes for so long, so that a turn is worth it. */
const REFILL_S = 0.1;
const WAIT_MIN_MS = 10;

/** Who waits for its turn to read. */
export interface Reader {
  /** Returns whether it will read. */
  wake(): boolean;
}

/**
 * A limit in bytes a second, as a bucket of bytes that fills up again. Readers take turns: one that finds the bucket empty waits, and is
 * woken in the order of its coming. What is read has to be whole lines, so the bucket may go below empty, and is made up for later.
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

  /** From now on `perSecond`; 0: no limit. What was read too much before is forgiven, and whoever waits tries again. */
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

  /** How many bytes may be read now; 0: `reader` is woken when it is worth asking again. */
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

  /** Whether it holds `reader` back. */
  isWaiting(reader: Reader): boolean {
    return this.#waiting.has(reader);
  }

  /** Nobody is woken any more who waits now. */
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
      // The one that was woken wakes the next when it has read; where it can't read now, for Kafka is away, others must not wait for it.
      if (this.#waiting.size > 0) this.#startTimer();
    });
  }

  #stopTimer(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The next one that reads. */
  #wakeNext(): void {
    for (const reader of this.#waiting) {
      this.#waiting.delete(reader);
      if (reader.wake()) return;
    }
  }
}

/** What holds for the files of one entry: its own limit, and the agent's. */
export class RateLimits {
  readonly entry: RateLimit;
  readonly #agent: RateLimit | undefined;

  constructor(own: RateLimit, agents: RateLimit | undefined) {
    this.entry = own;
    this.#agent = agents;
  }

  /** As RateLimit. */
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
