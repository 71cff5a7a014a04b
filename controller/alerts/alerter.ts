import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Election, Term } from '../etcd/election.ts';
import type { AlertBook } from './alert-book.ts';
import { type AlertRecord, isUntold } from './alert-record.ts';
import type { RuleSettings } from './conditions.ts';
import { ALERTS_MAX, Evaluator, type FleetConditions } from './evaluator.ts';
import type { Webhook } from './webhook.ts';

export interface AlerterSettings {
  rules: RuleSettings;
  intervalMs: number;
  /** Undefined: nobody is told. */
  webhook: Webhook | undefined;
}

/** What the elected one has done since the process started, for metrics. */
export interface AlerterCounts {
  elected: boolean;
  delivered: number;
  failures: number;
}

const RETRY = { initialMs: 1_000, maxMs: 60_000 };
const ALERTS_AT_ONCE = 200;

/**
 * Evaluates the rules at the controller that is elected, and tells the webhook what has begun and ended. What is to be told is what etcd
 * says was not told yet, so that nothing is told twice, but for what was sent when a controller died before it could write that down; and
 * a webhook that is away costs no memory: it gets what is so when it is back.
 */
export class Alerter {
  readonly #settings: AlerterSettings;
  readonly #book: AlertBook;
  readonly #collect: () => Promise<FleetConditions>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly counts: AlerterCounts = { elected: false, delivered: 0, failures: 0 };

  constructor(
    settings: AlerterSettings,
    book: AlertBook,
    collect: () => Promise<FleetConditions>,
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#settings = settings;
    this.#book = book;
    this.#collect = collect;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  run(election: Election, signal: AbortSignal): Promise<void> {
    return election.run(signal, (term) => this.#serve(term));
  }

  async #serve(term: Term): Promise<void> {
    const evaluator = new Evaluator(this.#settings.rules);
    const backoff = createBackoff(RETRY);
    let retryMs = 0;
    this.counts.elected = true;
    try {
      await this.#book.caughtUp(term);
      while (!term.signal.aborted) {
        await this.#evaluate(term, evaluator);
        if (this.#clock.monotonicMs() >= retryMs) {
          if (await this.#deliver(term)) backoff.reset();
          else retryMs = this.#clock.monotonicMs() + backoff.next();
        }
        await this.#clock.sleep(this.#settings.intervalMs, term.signal);
      }
    } finally {
      this.counts.elected = false;
    }
  }

  async #evaluate(term: Term, evaluator: Evaluator): Promise<void> {
    const fleet = await this.#collect();
    const alerts = new Map(this.#book.all().map((record) => [record.id, record]));
    const times = { monotonicMs: this.#clock.monotonicMs(), now: new Date(this.#clock.nowMs()) };
    const changes = evaluator.changes(fleet, alerts, times);
    if (evaluator.overflow > 0)
      this.#logger.error('too many alerts: the others are not told', { max: ALERTS_MAX, more: evaluator.overflow });
    for (const { condition, endTime } of changes.put)
      this.#logger.warn(endTime ? 'an alert is over' : 'an alert', { ...condition });
    await this.#book.write(term, changes);
  }

  /** Whether there is nothing left to tell. */
  async #deliver(term: Term): Promise<boolean> {
    const untold = this.#book.all().filter(isUntold);
    const { webhook } = this.#settings;
    if (!webhook) {
      // There was one once, to which their beginning was told.
      await this.#book.write(term, { put: [], remove: untold.filter(({ endTime }) => endTime) });
      return true;
    }
    for (let at = 0; at < untold.length && !term.signal.aborted; at += ALERTS_AT_ONCE) {
      const part = untold.slice(at, at + ALERTS_AT_ONCE);
      try {
        await webhook.send(part, term.signal);
      } catch (error) {
        if (isAbort(error, term.signal)) throw error;
        this.counts.failures++;
        this.#logger.warn('alerts are not delivered; trying again', { alerts: untold.length, error: errorText(error) });
        return false;
      }
      this.counts.delivered += part.length;
      await this.#book.write(term, told(part));
    }
    return true;
  }
}

/** What is over and told is forgotten. */
function told(records: readonly AlertRecord[]) {
  const firing = records.filter(({ endTime }) => !endTime);
  return {
    put: firing.map((record) => ({ ...record, told: 'firing' as const })),
    remove: records.filter(({ endTime }) => endTime),
  };
}
