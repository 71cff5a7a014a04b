import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { type Rollout, RolloutStage } from '../../proto/gen/logfleet/v1/rollout.ts';
import { type Canary, parseCanary } from '../../proto/rules/rollout-rules.ts';
import { parseSelector } from '../../proto/rules/selector.ts';

type Labels = Readonly<Record<string, string>>;

const THRESHOLD_MAX = 2n ** 64n - 1n;

/**
 * Tests which agents get a rollout's version. The result depends only on the rollout and the agent,
 * so all controllers agree.
 */
export interface StageTest {
  includes(labels: Labels): boolean;
  /** Whether a selector of the stage matches the agent. */
  isSelected(labels: Labels): boolean;
}

/** An agent's number in a rollout: evenly distributed, and in a different order in each rollout. */
export function agentNumber(rolloutId: string, agentId: string): bigint {
  return hash('sha256', rolloutId + agentId, 'buffer').readBigUInt64BE();
}

export function stageTest({ id, stage = RolloutStage.create() }: Pick<Rollout, 'id' | 'stage'>): StageTest {
  const selectors = stage.selectors.map(parseSelector);
  const isSelected = (labels: Labels) => selectors.some((selector) => selector.matches(labels));
  const isBelow = (labels: Labels) => stage.threshold > 0n && agentNumber(id, labels['agent'] ?? '') < stage.threshold;
  return { isSelected, includes: (labels) => stage.everyone || isSelected(labels) || isBelow(labels) };
}

/** The canary of a step. Steps count from 1. */
export function stepCanary({ plan }: Rollout, step: number): Canary {
  return parseCanary(plan?.steps[step - 1]?.canary ?? 'all');
}

/** How many agents a step puts into the stage; undefined when it does not count them. */
export function wantedCount(canary: Canary, connected: number): number | undefined {
  if (canary.kind === 'count') return canary.count;
  return canary.kind === 'percent' ? Math.ceil((connected * canary.percent) / 100) : undefined;
}

/**
 * The stage of the next step, which contains the present one. `missing`: how many agents to add.
 * `numbers`: the smallest numbers of the connected agents that no selector of the stage matches.
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
  const threshold = last < THRESHOLD_MAX ? last + 1n : THRESHOLD_MAX;
  assert(threshold >= present.threshold, 'a stage never shrinks');
  return { ...present, threshold };
}
