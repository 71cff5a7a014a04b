import { RolloutPlan, RolloutStep } from '../../proto/gen/logfleet/v1/rollout.ts';
import { type Canary, parseCanary, planViolations } from '../../proto/rules/rollout-rules.ts';
import { errorText } from '../../runtime/errors.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';

/** The options of `apply` that make a plan. */
export interface PlanOptions {
  rollout?: string[];
  stepWait?: number;
  onFailure?: 'halt' | 'undo';
  maxFailed?: number;
  maxLost?: number;
  maxLag?: number;
  progressDeadline?: number;
}

/** The plan of the options; undefined without --rollout. Throws CliError. */
export function planOf(options: PlanOptions): RolloutPlan | undefined {
  const {
    rollout,
    stepWait = 0,
    onFailure = '',
    maxFailed = 0,
    maxLost = 0,
    maxLag = 0,
    progressDeadline = 0,
  } = options;
  if (!rollout) {
    const given = [stepWait, onFailure, maxFailed, maxLost, maxLag, progressDeadline].some(Boolean);
    if (given)
      throw new CliError(exitCodes.usage, '--step-wait, --on-failure, --max-… and --progress-deadline need --rollout');
    return undefined;
  }
  const canaries = rollout.flatMap(stepsIn);
  if (canaries.at(-1) !== 'all') canaries.push('all');
  const plan = RolloutPlan.create({
    steps: canaries.map((canary) => RolloutStep.create({ canary, waitMs: BigInt(Math.round(stepWait)) })),
    ...{ onFailure, maxFailed, maxLostBytes: BigInt(maxLost), maxLagBytes: BigInt(maxLag) },
    progressDeadlineMs: BigInt(Math.round(progressDeadline)),
  });
  const violations = planViolations(plan);
  if (violations.length > 0)
    throw new CliError(exitCodes.usage, 'nothing was applied: --rollout is invalid', { violations });
  return plan;
}

/**
 * Splits `1,10%,all`. Neighbouring selectors are one step: `env=canary,role=web,10%` has two steps.
 */
function stepsIn(text: string): string[] {
  const steps: string[] = [];
  let previous: Canary | undefined;
  for (const piece of text.split(/,(?![^(]*\))/).map((part) => part.trim())) {
    let canary: Canary;
    try {
      canary = parseCanary(piece);
    } catch (error) {
      throw new CliError(exitCodes.usage, `--rollout ${piece}: ${errorText(error)}`, { cause: error });
    }
    if (canary.kind === 'selector' && previous?.kind === 'selector') steps.push(`${steps.pop()},${piece}`);
    else steps.push(piece);
    previous = canary;
  }
  return steps;
}
