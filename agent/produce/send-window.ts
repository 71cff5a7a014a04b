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
  #successMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** After a long pause the broker may have forgotten the id: the window is 1 again. */
  size(inFlight: number): number {
    if (inFlight === 0 && this.#clock.monotonicMs() - this.#successMs > IDLE_MS) this.#size = 1;
    return this.#size;
  }

  succeeded(): void {
    this.#size = IN_FLIGHT_MAX;
    this.#successMs = this.#clock.monotonicMs();
  }

  failed(): void {
    this.#size = 1;
  }
}
