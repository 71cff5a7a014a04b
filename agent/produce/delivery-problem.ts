import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type DeliveryError, UNKNOWN_TOPIC_OR_PARTITION } from './delivery-error.ts';

/** A shorter problem of the cluster is not reported to operators. */
const QUIET_MS = 3_000;
/** While a topic is created or a broker starts, the topic is unknown for seconds. */
const TOPIC_GONE_MS = 60_000;

/** What holds up delivery to one partition or topic, from the first error to the next success. */
export class DeliveryProblem {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  #error: DeliveryError | undefined;
  #sinceMs = 0;
  #sameErrorSinceMs = 0;
  /** The reason that was logged as a warning. */
  #warned: string | undefined;

  constructor({ clock, logger, onChange }: { clock: Clock; logger: Logger; onChange: () => void }) {
    this.#clock = clock;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  get isActive(): boolean {
    return this.#error !== undefined;
  }

  /** The error to show to operators; undefined if there is none, or it will probably pass. */
  get reportable(): DeliveryError | undefined {
    const isLasting = this.#clock.monotonicMs() - this.#sinceMs > QUIET_MS;
    return this.#error?.kind !== 'retriable' || isLasting ? this.#error : undefined;
  }

  /** Whether the partition no longer exists, or no broker has known the topic for a minute. */
  get isPartitionGone(): boolean {
    const lastedMs = this.#clock.monotonicMs() - this.#sameErrorSinceMs;
    const isUnknown = this.#error?.kafkaCode === UNKNOWN_TOPIC_OR_PARTITION && lastedMs > TOPIC_GONE_MS;
    return isUnknown || this.#error?.code === 'NO_PARTITION';
  }

  /** Restarts the minute after which an unknown topic counts as gone. */
  restartTimer(): void {
    this.#sameErrorSinceMs = this.#clock.monotonicMs();
  }

  report(error: DeliveryError): void {
    const isFirst = !this.#error;
    if (error.kafkaCode !== this.#error?.kafkaCode) this.#sameErrorSinceMs = this.#clock.monotonicMs();
    if (isFirst) {
      this.#sinceMs = this.#clock.monotonicMs();
      this.#warned = undefined;
    }
    this.#error = error;
    const reason = `${error.code} ${error.kafkaCode}`;
    // Each new reason for which an operator must act is logged. Retriable ones take turns anyway.
    const isNews = this.#warned === undefined || (reason !== this.#warned && error.kind !== 'retriable');
    if (this.reportable && isNews) {
      this.#warned = reason;
      this.#logger.warn('delivery is held up', { error: error.message });
    } else if (isFirst) {
      // A leader that moves deserves a line, but no warning.
      this.#logger.info('delivery is briefly held up', { error: error.message });
    }
    this.#onChange();
  }

  clear(): void {
    if (!this.#error) return;
    this.#logger.info('delivery has resumed', { error: this.#error.message });
    this.#error = undefined;
    this.#onChange();
  }
}
