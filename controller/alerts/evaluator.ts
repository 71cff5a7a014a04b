import type { Condition } from '../../proto/gen/logfleet/v1/alert.ts';
import type { AlertChanges } from './alert-book.ts';
import { type AlertRecord, alertId } from './alert-record.ts';
import { holdMs, type RuleSettings } from './conditions.ts';

/** What is known of the fleet at one moment. */
export interface FleetConditions {
  conditions: readonly Condition[];
  /** Whether it is known that a condition that is not among them does not hold. Where it is not, an alert stays as it is. */
  isKnown(condition: Condition): boolean;
}

/** More at once help nobody, and would fill etcd. */
export const ALERTS_MAX = 5_000;

/** Turns conditions into alerts that begin and end. Knows for how long conditions have held; made anew for each term. */
export class Evaluator {
  readonly #settings: RuleSettings;
  /** When each condition that is no alert yet was first seen. */
  #pending = new Map<string, number>();
  /** How many alerts there was no room for, the last time. */
  overflow = 0;

  constructor(settings: RuleSettings) {
    this.#settings = settings;
  }

  /** What changes of `alerts`, those there are. `monotonicMs` is for durations, `now` for what is written. */
  changes(
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
      else if (known || room-- > 0) put.push({ id, condition, startTime: now, told: 'nothing' });
      else this.overflow++;
    }
    for (const [id, record] of alerts) {
      if (record.endTime || holding.has(id) || !fleet.isKnown(record.condition)) continue;
      if (record.told === 'nothing') remove.push(record);
      else put.push({ ...record, endTime: now });
    }
    this.#pending = pending;
    return { put, remove };
  }
}
