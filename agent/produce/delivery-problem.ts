import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type DeliveryError, UNKNOWN_TOPIC_OR_PARTITION } from './delivery-error.ts';

/** A cluster busy with itself for less than this is nothing to tell an operator. */
const QUIET_MS = 3_000;
/** A topic that is being made, or a broker that starts, takes seconds. */
const TOPIC_GONE_MS = 60_000;

/** What holds up delivery on one route, from the first failure to the next success. */
export class DeliveryProblem {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  #error: DeliveryError | undefined;
  #sinceMs = 0;
  #sameSinceMs = 0;
  #warned = false;

  constructor(tools: { clock: Clock; logger: Logger; onChange: () => void }) {
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#onChange = tools.onChange;
  }

  get isActive(): boolean {
    return this.#error !== undefined;
  }

  /** The error for a person; undefined while all is well, or the trouble is young and likely to pass. */
  get reportable(): DeliveryError | undefined {
    const lasting = this.#clock.monotonicMs() - this.#sinceMs > QUIET_MS;
    return this.#error?.kind !== 'retriable' || lasting ? this.#error : undefined;
  }

  /** Whether the partition is no more, or no broker has known the topic for so long that it is no more. */
  get isPartitionGone(): boolean {
    const lastedMs = this.#clock.monotonicMs() - this.#sameSinceMs;
    const unknown = this.#error?.kafkaCode === UNKNOWN_TOPIC_OR_PARTITION && lastedMs > TOPIC_GONE_MS;
    return unknown || this.#error?.code === 'NO_PARTITION';
  }

  /** What lasted so long begins to last anew. */
  restartTimer(): void {
    this.#sameSinceMs = this.#clock.monotonicMs();
  }

  report(error: DeliveryError): void {
    const first = !this.#error;
    if (error.kafkaCode !== this.#error?.kafkaCode) this.#sameSinceMs = this.#clock.monotonicMs();
    if (first) {
      this.#sinceMs = this.#clock.monotonicMs();
      this.#warned = false;
    }
    this.#error = error;
    if (this.reportable && !this.#warned) {
      this.#warned = true;
      this.#logger.warn('delivery is held up', { error: error.message });
    } else if (first) {
      // A leader that moves is worth a line, not a warning.
      this.#logger.info('delivery is held up for a moment', { error: error.message });
    }
    this.#onChange();
  }

  clear(): void {
    if (!this.#error) return;
    this.#logger.info('delivery goes on', { after: this.#error.message });
    this.#error = undefined;
    this.#onChange();
  }
}
