import { Rollout } from '../../proto/gen/logfleet/v1/rollout.ts';
import { parseSelector } from '../../proto/rules/selector.ts';

/** A rollout as etcd has it. */
export interface KnownRollout {
  rollout: Rollout;
  /** The revision of its last write. */
  revision: bigint;
  /** The revision of its first write, which also wrote the version of the entry it is about. */
  createRevision: bigint;
}

export function encodeRollout(rollout: Rollout): string {
  return JSON.stringify(Rollout.toJSON(rollout), undefined, 2);
}

/** Throws when the value is not a rollout. */
export function parseRollout(value: string): Rollout {
  const rollout = Rollout.fromJSON(JSON.parse(value));
  if (rollout.id === '' || rollout.entry === '' || !rollout.plan) throw new Error('id, entry or plan is missing');
  for (const selector of [...(rollout.stage?.selectors ?? []), rollout.from?.selector ?? '']) parseSelector(selector);
  return rollout;
}

/** Whether agents have different versions, or may have them again when the rollout is resumed. */
export function isActive({ state }: Rollout): boolean {
  return state === 'STATE_PROGRESSING' || state === 'STATE_PAUSED' || state === 'STATE_HALTED';
}

/**
 * The rollout, if it is about the version of the entry written at `entryRevision`. Otherwise it is
 * void: the entry has been written since.
 */
export function currentRollout(known: KnownRollout | undefined, entryRevision: bigint): KnownRollout | undefined {
  return known?.createRevision === entryRevision ? known : undefined;
}

/** `step 2 of 3, HALTED` */
export function describeProgress({ step, plan, state }: Rollout): string {
  return `step ${step} of ${plan?.steps.length ?? 0}, ${state.replace(/^STATE_/, '')}`;
}
