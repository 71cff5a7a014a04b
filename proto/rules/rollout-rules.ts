import type { RolloutPlan } from '../gen/logfleet/v1/rollout.ts';
import type { FieldViolation } from './field-violation.ts';
import { parseSelector } from './selector.ts';

const STEPS_MAX = 20;
const COUNT_MAX = 1_000_000;
const WAIT_MS_MAX = 7n * 24n * 3_600_000n;
const PROGRESS_DEADLINE_MS = 600_000n;
const ON_FAILURE = ['halt', 'undo'];

/** The agents of a rollout's step, parsed; see RolloutStep.canary. */
export type Canary =
  | { kind: 'all' }
  | { kind: 'count'; count: number }
  | { kind: 'percent'; percent: number }
  | { kind: 'selector'; selector: string };

/** Parses RolloutStep.canary. Throws an Error that names the value and the remedy. */
export function parseCanary(text: string): Canary {
  if (text === 'all') return { kind: 'all' };
  const [, digits, isPercentage] = /^(\d+)(%?)$/.exec(text) ?? [];
  if (digits === undefined) {
    if (text.trim() === '')
      throw new Error('is required: use a number of agents, a percentage such as 10%, a selector, or all');
    // Otherwise it would be parsed as a label's key.
    if (/^[\d.]+$/.test(text)) throw new Error(`${text} is not a whole number of agents: use 1 to ${COUNT_MAX}`);
    parseSelector(text);
    return { kind: 'selector', selector: text };
  }
  const value = Number(digits);
  if (isPercentage) {
    if (value < 1 || value > 100) throw new Error(`${text} is out of range: use 1% to 100%`);
    return { kind: 'percent', percent: value };
  }
  if (value < 1 || value > COUNT_MAX) throw new Error(`${text} agents are out of range: use 1 to ${COUNT_MAX}`);
  return { kind: 'count', count: value };
}

/** The rules that a plan violates. */
export function planViolations(plan: RolloutPlan, field = 'rollout'): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (what: string, description: string) => violations.push({ field: `${field}.${what}`, description });
  if (plan.steps.length === 0 || plan.steps.length > STEPS_MAX)
    add('steps', `${plan.steps.length} steps are out of range: use 1 to ${STEPS_MAX}`);
  // A field of a newer client would be ignored silently.
  for (const part of [plan, ...plan.steps])
    for (const tag of Object.keys(part._unknownFields ?? {}))
      add(`#${Number(tag) >>> 3}`, 'is unknown to this version of logfleet: remove it or upgrade');
  for (const [index, { canary, waitMs }] of plan.steps.entries()) {
    const isLast = index === plan.steps.length - 1;
    try {
      const isAll = parseCanary(canary).kind === 'all';
      if (isAll && !isLast)
        add(`steps[${index}].canary`, '"all" is not the last step: move it to the end or remove it');
      if (!isAll && isLast)
        add(`steps[${index}].canary`, `${JSON.stringify(canary)} is the last step: add a step "all"`);
    } catch (error) {
      add(`steps[${index}].canary`, (error as Error).message);
    }
    if (waitMs < 0n || waitMs > WAIT_MS_MAX)
      add(`steps[${index}].wait_ms`, `${waitMs} is out of range: use 0 to ${WAIT_MS_MAX}`);
  }
  if (plan.maxFailed < 0) add('max_failed', `${plan.maxFailed} is negative: use 0 or more`);
  if (plan.maxLostBytes < 0n) add('max_lost_bytes', `${plan.maxLostBytes} is negative: use 0 or more`);
  if (plan.maxLagBytes < 0n) add('max_lag_bytes', `${plan.maxLagBytes} is negative: use 0 or more`);
  if (plan.progressDeadlineMs < 0n)
    add('progress_deadline_ms', `${plan.progressDeadlineMs} is negative: use 0 or more`);
  if (plan.onFailure !== '' && !ON_FAILURE.includes(plan.onFailure))
    add('on_failure', `${JSON.stringify(plan.onFailure)} is not valid: use ${ON_FAILURE.join(' or ')}`);
  return violations;
}

/** The plan with its defaults filled in. */
export function withPlanDefaults(plan: RolloutPlan): RolloutPlan {
  return {
    ...plan,
    onFailure: plan.onFailure || 'halt',
    progressDeadlineMs: plan.progressDeadlineMs || PROGRESS_DEADLINE_MS,
  };
}
