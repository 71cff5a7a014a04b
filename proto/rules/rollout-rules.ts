import type { RolloutPlan } from '../gen/logfleet/v1/rollout.ts';
import type { FieldViolation } from './field-violation.ts';
import { parseSelector } from './selector.ts';

const STEPS_MAX = 20;
const WAIT_MS_MAX = 7n * 24n * 3_600_000n;
const PROGRESS_DEADLINE_MS = 600_000n;
const ON_FAILURE = ['halt', 'undo'];

/** Whom a step of a rollout means; see RolloutStep.canary. */
export type Canary =
  | { kind: 'all' }
  | { kind: 'count'; count: number }
  | { kind: 'percent'; percent: number }
  | { kind: 'selector'; selector: string };

/** Throws an Error that says what is wrong. */
export function parseCanary(text: string): Canary {
  if (text === 'all') return { kind: 'all' };
  const [, digits, isPart] = /^(\d+)(%?)$/.exec(text) ?? [];
  if (digits === undefined) {
    if (text.trim() === '') throw new Error('is required: give a number, a part such as 10%, a selector, or all');
    // It would be the key of a label.
    if (/^[\d.]+$/.test(text)) throw new Error(`${text} is no whole number of agents`);
    parseSelector(text);
    return { kind: 'selector', selector: text };
  }
  const value = Number(digits);
  if (isPart) {
    if (value < 1 || value > 100) throw new Error(`${text} is no part: give 1% to 100%`);
    return { kind: 'percent', percent: value };
  }
  if (value < 1 || value > 1_000_000) throw new Error(`${text} agents are too few or too many: give 1 to 1000000`);
  return { kind: 'count', count: value };
}

/** Every rule that a plan breaks. */
export function planViolations(plan: RolloutPlan, field = 'rollout'): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (what: string, description: string) => violations.push({ field: `${field}.${what}`, description });
  if (plan.steps.length === 0 || plan.steps.length > STEPS_MAX)
    add('steps', `are ${plan.steps.length}: give 1 to ${STEPS_MAX}`);
  // What this server does not know it would not heed.
  for (const part of [plan, ...plan.steps])
    for (const tag of Object.keys(part._unknownFields ?? {}))
      add(`#${Number(tag) >>> 3}`, 'is not known to this version of logfleet: leave it out, or upgrade');
  for (const [index, { canary, waitMs }] of plan.steps.entries()) {
    const isLast = index === plan.steps.length - 1;
    try {
      const isAll = parseCanary(canary).kind === 'all';
      if (isAll && !isLast) add(`steps[${index}].canary`, 'is "all", but not the last step');
      if (!isAll && isLast) add(`steps[${index}].canary`, 'is the last step: it must be "all"');
    } catch (error) {
      add(`steps[${index}].canary`, (error as Error).message);
    }
    if (waitMs < 0n || waitMs > WAIT_MS_MAX) add(`steps[${index}].wait_ms`, `is ${waitMs}: give 0 to ${WAIT_MS_MAX}`);
  }
  if (plan.maxFailed < 0) add('max_failed', 'is negative');
  if (plan.maxLostBytes < 0n) add('max_lost_bytes', 'is negative');
  if (plan.maxLagBytes < 0n) add('max_lag_bytes', 'is negative');
  if (plan.progressDeadlineMs < 0n) add('progress_deadline_ms', 'is negative');
  if (plan.onFailure !== '' && !ON_FAILURE.includes(plan.onFailure))
    add('on_failure', `is ${JSON.stringify(plan.onFailure)}: give ${ON_FAILURE.join(' or ')}`);
  return violations;
}

/** The plan with its defaults written out. */
export function withPlanDefaults(plan: RolloutPlan): RolloutPlan {
  return {
    ...plan,
    onFailure: plan.onFailure || 'halt',
    progressDeadlineMs: plan.progressDeadlineMs || PROGRESS_DEADLINE_MS,
  };
}
