import type { Condition } from '../../proto/gen/logfleet/v1/alert.ts';
import { type AlertRecord, alertId } from './alert-record.ts';
import type { AlertChanges } from './alert-repository.ts';
import { holdMs, type RuleSettings } from './conditions.ts';

/** The conditions of the fleet at one moment. */
export interface FleetConditions {
  conditions: readonly Condition[];
  /**
   * Whether the state of a condition is known. An unlisted condition that is known does not hold;
   * an unknown one leaves its alert unchanged.
   */
  isKnown(condition: Condition): boolean;
}

/** More alerts help nobody, and would fill etcd. */
export const ALERTS_MAX = 5_000;

/**
 * Turns conditions into alerts that begin and end. Each term has a new evaluator, which measures
 * how long conditions hold.
 */
export class Evaluator {
  readonly #settings: RuleSettings;
  /** When each condition that has not become an alert was first seen. */
  #pending = new Map<string, number>();
  /** How many alerts exceeded the limit at the last evaluation. */
  overflow = 0;

  constructor(settings: RuleSettings) {
    this.#settings = settings;
  }

  /**
   * The changes of the present `alerts`. `monotonicMs` measures durations; `now` goes into records.
   */
  evaluate(
    fleet: FleetConditions,
    alerts: ReadonlyMap<string, AlertRecord>,
    { monotonicMs, now }: { monotonicMs: number; now: Date },
  ): AlertChanges {
    const put: AlertRecord[] = [];
    const remove: AlertRecord[] = [];
    const holding = new Map(fleet.conditions.map((condition) => [alertId(condition), condition]));
    const pending = new Map<string, number>();
    let room = ALERTS_MAX - alerts.size;
    this.overflow = 0;
    for (const [id, condition] of holding) {
      const known = alerts.get(id);
      if (known && !known.endTime) continue;
      const sinceMs = this.#pending.get(id) ?? monotonicMs;
      if (monotonicMs - sinceMs < holdMs(condition.rule, this.#settings)) pending.set(id, sinceMs);
      else if (known || room-- > 0) put.push({ id, condition, startTime: now, sent: 'nothing' });
      else this.overflow++;
    }
    for (const [id, record] of alerts) {
      if (record.endTime || holding.has(id) || !fleet.isKnown(record.condition)) continue;
      if (record.sent === 'nothing') remove.push(record);
      else put.push({ ...record, endTime: now });
    }
    this.#pending = pending;
    return { put, remove };
  }
}
