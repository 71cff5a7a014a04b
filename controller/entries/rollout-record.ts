import { Rollout } from '../../proto/gen/logfleet/v1/rollout.ts';
import { parseSelector } from '../../proto/rules/selector.ts';

/** A rollout as etcd has it. */
export interface KnownRollout {
  rollout: Rollout;
  /** The revision of its last write. */
  revision: bigint;
  /** The revision of its first write, which wrote its version of the entry, too. */
  created: bigint;
}

export function encodeRollout(rollout: Rollout): string {
  return JSON.stringify(Rollout.toJSON(rollout), undefined, 2);
}

/** Throws for what makes no sense. */
export function parseRollout(value: string): Rollout {
  const rollout = Rollout.fromJSON(JSON.parse(value));
  if (rollout.id === '' || rollout.entry === '' || !rollout.plan) throw new Error('no id, no entry, or no plan');
  for (const selector of [...(rollout.stage?.selectors ?? []), rollout.from?.selector ?? '']) parseSelector(selector);
  return rollout;
}

/** Whether agents are still told different versions, or may be again. */
export function isActive({ state }: Rollout): boolean {
  return state === 'STATE_PROGRESSING' || state === 'STATE_PAUSED' || state === 'STATE_HALTED';
}

/**
 * The rollout, if it is about the version of an entry that was written at `entryRevision`. One that is not is void: the entry was written
 * since, by us or past us.
 */
export function governing(known: KnownRollout | undefined, entryRevision: bigint): KnownRollout | undefined {
  return known?.created === entryRevision ? known : undefined;
}

/** `step 2 of 3, HALTED` */
export function whereItIs({ step, plan, state }: Rollout): string {
  return `step ${step} of ${plan?.steps.length ?? 0}, ${state.replace(/^STATE_/, '')}`;
}
