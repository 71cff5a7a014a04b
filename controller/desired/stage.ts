import { hash } from 'node:crypto';
import { type Rollout, RolloutStage } from '../../proto/gen/logfleet/v1/rollout.ts';
import { type Canary, parseCanary } from '../../proto/rules/rollout-rules.ts';
import { parseSelector } from '../../proto/rules/selector.ts';

type Labels = Readonly<Record<string, string>>;

const THRESHOLD_MAX = 2n ** 64n - 1n;

/** Who is given a rollout's version. It depends on nothing but the rollout and the agent, so every controller says the same. */
export interface StageTest {
  isIn(labels: Labels): boolean;
  /** Whether a selector of the stage matches. */
  isSelected(labels: Labels): boolean;
}

/** An agent's place in a rollout: they are spread evenly, and in another order in each rollout. */
export function agentNumber(rolloutId: string, agentId: string): bigint {
  return hash('sha256', rolloutId + agentId, 'buffer').readBigUInt64BE();
}

export function stageTest({ id, stage = RolloutStage.create() }: Pick<Rollout, 'id' | 'stage'>): StageTest {
  const selectors = stage.selectors.map(parseSelector);
  const isSelected = (labels: Labels) => selectors.some((selector) => selector.matches(labels));
  const isBelow = (labels: Labels) => stage.threshold > 0n && agentNumber(id, labels['agent'] ?? '') < stage.threshold;
  return { isSelected, isIn: (labels) => stage.everyone || isSelected(labels) || isBelow(labels) };
}

/** The step that a plan has at `step`, counted from 1. */
export function canaryOf({ plan }: Rollout, step: number): Canary {
  return parseCanary(plan?.steps[step - 1]?.canary ?? 'all');
}

/** How many agents are to be in the stage of a step that counts them; undefined for another. */
export function wantedCount(canary: Canary, connected: number): number | undefined {
  if (canary.kind === 'count') return canary.count;
  return canary.kind === 'percent' ? Math.ceil((connected * canary.percent) / 100) : undefined;
}

/**
 * The stage of the next step, which contains the present one. `numbers`: the least numbers of the connected agents that no selector of
 * the present stage has chosen, of which as many are wanted as `missing`.
 */
export function nextStage(
  present: RolloutStage,
  canary: Canary,
  { numbers, missing }: { numbers: readonly bigint[]; missing: number },
): RolloutStage {
  if (canary.kind === 'all') return { ...present, everyone: true };
  if (canary.kind === 'selector') return { ...present, selectors: [...present.selectors, canary.selector] };
  const sorted = [...new Set(numbers)].sort((a, b) => (a < b ? -1 : 1));
  const last = missing > 0 ? sorted[Math.min(missing, sorted.length) - 1] : undefined;
  if (last === undefined || last < present.threshold) return present;
  return { ...present, threshold: last < THRESHOLD_MAX ? last + 1n : THRESHOLD_MAX };
}
