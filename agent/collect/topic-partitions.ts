import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { DeliveryRouter } from '../produce/delivery-router.ts';

const RETRY = { initialMs: 100, maxMs: 5_000 };
/** A missing topic is no error for this long: the controller may be creating it. */
const QUIET_MS = 1_000;

export interface TopicPartitionsDependencies {
  router: DeliveryRouter;
  clock: Clock;
  logger: Logger;
  onStateChange: () => void;
}

/**
 * How many partitions an entry's topic has. It is requested until it is known, and again at each
 * scan: a topic may grow, or be recreated with fewer.
 */
export class TopicPartitions {
  readonly #dependencies: TopicPartitionsDependencies;
  readonly #onKnown: () => void;
  #known: { topic: string; count: number } | undefined;
  #discovering = false;
  #error = { topic: '', text: '' };

  /** `onKnown` is called when the count becomes known, and when it changes. */
  constructor(dependencies: TopicPartitionsDependencies, onKnown: () => void) {
    this.#dependencies = dependencies;
    this.#onKnown = onKnown;
  }

  /** Why the topic's count is unknown; empty if there is no error. */
  errorFor(topic: string): string {
    return this.#error.topic === topic ? this.#error.text : '';
  }

  /** The number of partitions; undefined: not known yet. */
  countFor(topic: string): number | undefined {
    return this.#known?.topic === topic ? this.#known.count : undefined;
  }

  /** Requests the count of the entry's topic until it is known or the signal is aborted. */
  async discover(now: () => { entry: Entry; signal: AbortSignal }): Promise<void> {
    if (this.#discovering) return;
    this.#discovering = true;
    const backoff = createBackoff(RETRY);
    const { clock, router, logger, onStateChange } = this.#dependencies;
    const startMs = clock.monotonicMs();
    while (!now().signal.aborted && this.countFor(now().entry.topic) === undefined) {
      const { name, topic } = now().entry;
      try {
        this.#known = { topic, count: await router.partitionCount(topic) };
        this.#error = { topic, text: '' };
      } catch (error) {
        const wasLogged = this.errorFor(topic) !== '';
        if (clock.monotonicMs() - startMs > QUIET_MS) this.#error = { topic, text: errorText(error) };
        const text = this.errorFor(topic);
        if (text && !wasLogged) logger.warn('cannot deliver lines yet; retrying', { entry: name, topic, error: text });
        await clock.sleep(backoff.next(), now().signal).catch(() => {});
      }
      onStateChange();
    }
    this.#discovering = false;
    this.#onKnown();
  }

  /**
   * Checks whether the count changed. If that fails, the count stays; the routes report the error.
   */
  async refresh(topic: string): Promise<void> {
    const previous = this.countFor(topic);
    if (previous === undefined) return;
    const count = await this.#dependencies.router.partitionCount(topic).catch(() => previous);
    if (count === previous || this.countFor(topic) !== previous) return;
    this.#known = { topic, count };
    this.#dependencies.logger.info("the topic's number of partitions changed", { topic, previous, partitions: count });
    this.#onKnown();
  }
}
