import type { Clock } from '../../runtime/clock.ts';

/**
 * Kafka remembers the last five batches of a producer on a partition (KIP-98, KIP-185). It could
 * not recognise repeats of more.
 */
export const IN_FLIGHT_MAX = 5;
/** Much less than any sensible `producer.id.expiration.ms`. */
const IDLE_MS = 60_000;

/**
 * How many batches of a producer may be in flight: one until the first success, because a broker
 * accepts any sequence from a producer id that it does not know, so a gap would go unnoticed.
 */
export class SendWindow {
  readonly #clock: Clock;
  #size = 1;
  #isRefused = false;
  #successMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** After a long pause the broker may have forgotten the id: the window is 1 again. */
  size(inFlight: number): number {
    if (inFlight === 0 && this.#clock.monotonicMs() - this.#successMs > IDLE_MS) this.#size = 1;
    return this.#size;
  }

  /** Whether Kafka has refused a batch and has appended none since. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /**
   * How many batches may be made before the first of them is acknowledged. After a refusal a single
   * one tries again, and it is made only when it can be sent: it has the time, the topic and the
   * rules of that moment.
   */
  openMax(canSend: boolean): number {
    if (!this.#isRefused) return IN_FLIGHT_MAX;
    return canSend ? 1 : 0;
  }

  succeeded(): void {
    this.#isRefused = false;
    this.#size = IN_FLIGHT_MAX;
    this.#successMs = this.#clock.monotonicMs();
  }

  failed(): void {
    this.#size = 1;
  }

  refused(): void {
    this.#isRefused = true;
  }
}
