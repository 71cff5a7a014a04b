import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { DeliveryRouter } from '../produce/delivery-router.ts';

const RETRY = { initialMs: 100, maxMs: 5_000 };
/** A topic that its controller is just making is nothing to tell. */
const QUIET_MS = 1_000;

export interface TopicTools {
  router: DeliveryRouter;
  clock: Clock;
  logger: Logger;
  onStateChange: () => void;
}

/** How many partitions an entry's topic has: asked until it is known, and looked at again, for it may grow, or be made anew with fewer. */
export class TopicPartitions {
  readonly #tools: TopicTools;
  readonly #onKnown: () => void;
  #known: { topic: string; count: number } | undefined;
  #seeking = false;
  #error = { topic: '', text: '' };

  /** `onKnown` is called whenever the count has become known, or another. */
  constructor(tools: TopicTools, onKnown: () => void) {
    this.#tools = tools;
    this.#onKnown = onKnown;
  }

  /** What keeps the topic's count from being known; empty when nothing does. */
  errorFor(topic: string): string {
    return this.#error.topic === topic ? this.#error.text : '';
  }

  /** undefined: not known yet. */
  countFor(topic: string): number | undefined {
    return this.#known?.topic === topic ? this.#known.count : undefined;
  }

  /** Asks for the entry's topic, for as long as it takes and the signal is not aborted. */
  async discover(now: () => { entry: Entry; signal: AbortSignal }): Promise<void> {
    if (this.#seeking) return;
    this.#seeking = true;
    const backoff = createBackoff(RETRY);
    const { clock, router, logger, onStateChange } = this.#tools;
    const startMs = clock.monotonicMs();
    while (!now().signal.aborted && this.countFor(now().entry.topic) === undefined) {
      const { name, topic } = now().entry;
      try {
        this.#known = { topic, count: await router.partitionCount(topic) };
        this.#error = { topic, text: '' };
      } catch (error) {
        const told = this.errorFor(topic) !== '';
        if (clock.monotonicMs() - startMs > QUIET_MS) this.#error = { topic, text: errorText(error) };
        const text = this.errorFor(topic);
        if (text && !told)
          logger.warn("lines can't be delivered yet; it is tried again", { entry: name, topic, error: text });
        await clock.sleep(backoff.next(), now().signal).catch(() => {});
      }
      onStateChange();
    }
    this.#seeking = false;
    this.#onKnown();
  }

  /** Looks whether the count is another by now. What can't be told now stays as it is: the routes show that. */
  async refresh(topic: string): Promise<void> {
    const former = this.countFor(topic);
    if (former === undefined) return;
    const count = await this.#tools.router.partitionCount(topic).catch(() => former);
    if (count === former || this.countFor(topic) !== former) return;
    this.#known = { topic, count };
    this.#tools.logger.info('the topic has another number of partitions', { topic, former, partitions: count });
    this.#onKnown();
  }
}
