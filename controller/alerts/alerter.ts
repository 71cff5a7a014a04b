import { shortAgentName } from '../../proto/rules/names.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Election, Term } from '../etcd/election.ts';
import { type AlertRecord, isUnsent } from './alert-record.ts';
import type { AlertRepository } from './alert-repository.ts';
import type { RuleSettings } from './conditions.ts';
import { ALERTS_MAX, Evaluator, type FleetConditions } from './evaluator.ts';
import type { Webhook } from './webhook.ts';

export interface AlerterSettings {
  rules: RuleSettings;
  intervalMs: number;
  /** Undefined: alerts are only listed. */
  webhook: Webhook | undefined;
}

/** What this controller has done since it started, for metrics. */
export interface AlerterCounts {
  elected: boolean;
  delivered: number;
  failures: number;
}

const RETRY = { initialMs: 1_000, maxMs: 60_000 };
const ALERTS_PER_REQUEST = 200;

/**
 * Evaluates the alert rules at the elected controller, and sends alerts that begin and end to the
 * webhook. etcd records what has been sent. So an alert is sent twice only if a controller dies
 * between sending and recording. A webhook that is down costs no memory: when it is up again, it
 * gets the present state of each alert.
 */
export class Alerter {
  readonly #settings: AlerterSettings;
  readonly #alerts: AlertRepository;
  readonly #collect: () => Promise<FleetConditions>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly counts: AlerterCounts = { elected: false, delivered: 0, failures: 0 };

  constructor(
    settings: AlerterSettings,
    alerts: AlertRepository,
    collect: () => Promise<FleetConditions>,
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#settings = settings;
    this.#alerts = alerts;
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
      await this.#alerts.waitForTerm(term);
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
    const known = new Map(this.#alerts.all().map((record) => [record.id, record]));
    const times = { monotonicMs: this.#clock.monotonicMs(), now: new Date(this.#clock.nowMs()) };
    const changes = evaluator.evaluate(fleet, known, times);
    if (evaluator.overflow > 0)
      this.#logger.error('too many alerts', { count: ALERTS_MAX, dropped: evaluator.overflow });
    for (const { condition, endTime } of changes.put) {
      const { rule, agent, entry, summary } = condition;
      const fields = { rule, agent: shortAgentName(agent), entry, summary };
      this.#logger.warn(endTime ? 'alert resolved' : 'alert firing', fields);
    }
    await this.#alerts.write(term, changes);
  }

  /** Resolves with true when every alert has been sent. */
  async #deliver(term: Term): Promise<boolean> {
    const unsent = this.#alerts.all().filter(isUnsent);
    const { webhook } = this.#settings;
    if (!webhook) {
      // Their beginning was sent to a webhook that has been removed from the configuration.
      await this.#alerts.write(term, { put: [], remove: unsent.filter(({ endTime }) => endTime) });
      return true;
    }
    for (let at = 0; at < unsent.length && !term.signal.aborted; at += ALERTS_PER_REQUEST) {
      const part = unsent.slice(at, at + ALERTS_PER_REQUEST);
      try {
        await webhook.send(part, term.signal);
      } catch (error) {
        if (isAbort(error, term.signal)) throw error;
        this.counts.failures++;
        this.#logger.warn('alerts not delivered, retrying', { count: unsent.length, error: errorText(error) });
        return false;
      }
      this.counts.delivered += part.length;
      await this.#alerts.write(term, markSent(part));
    }
    return true;
  }
}

/** Resolved alerts that have been sent are deleted. */
function markSent(records: readonly AlertRecord[]) {
  const firing = records.filter(({ endTime }) => !endTime);
  return {
    put: firing.map((record) => ({ ...record, sent: 'firing' as const })),
    remove: records.filter(({ endTime }) => endTime),
  };
}
