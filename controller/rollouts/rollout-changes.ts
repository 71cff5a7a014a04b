import { randomUUID } from 'node:crypto';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { Rollout, type RolloutPlan, RolloutStage } from '../../proto/gen/logfleet/v1/rollout.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { planViolations, withPlanDefaults } from '../../proto/rules/rollout-rules.ts';
import type { ChangeTerms, EntryChange, PlannedChange } from '../entries/entry-changes.ts';
import { entryNotFound, requireEntryName } from '../entries/entry-errors.ts';
import { describeProgress, isActive, type KnownRollout } from '../entries/rollout-record.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';

/** The change, rolled out in steps if there is a plan, otherwise applied to all agents at once. */
export function withRolloutPlan(change: EntryChange, plan: RolloutPlan | undefined): EntryChange {
  return plan ? applyInSteps(change, plan) : applyAtOnce(change);
}

/** The change, which also ends a rollout of the entry that is not complete. */
export function endRolloutWith(change: EntryChange, reason: string): EntryChange {
  return {
    ...change,
    async plan(present, now, known) {
      const planned = await change.plan(present, now);
      if (planned.change === 'CHANGE_DELETED' || !known || !isActive(known.rollout)) return planned;
      return { ...planned, rollout: { changed: undone(known.rollout, now, reason) } };
    },
  };
}

interface UndoRequest {
  name: string;
  reason: string;
  /** The revision of the rollout for which the undo was decided. */
  expected?: bigint;
  conditions?: Transaction['conditions'];
}

/** Gives every agent the previous version again. */
export function undoRollout(request: UndoRequest, terms: ChangeTerms): EntryChange {
  const { name, reason, expected, conditions = [] } = request;
  return {
    name,
    ...terms,
    plan(present, now, known): PlannedChange {
      requireEntryName(name);
      if (!present) throw entryNotFound(name);
      if (!known || known.rollout.state === 'STATE_UNDONE') {
        const remedy = 'see logfleet history, and roll back to a revision';
        throw new ApiError('FAILED_PRECONDITION', `the present version of ${name} has no rollout to undo: ${remedy}`);
      }
      if (expected !== undefined && known.revision !== expected)
        throw new ApiError('ABORTED', `the rollout of ${name} has changed: try again`);
      const { from } = known.rollout;
      if (!from) return { change: 'CHANGE_DELETED', entry: present, conditions };
      // Not validated: the previous version was in force, even if the rules have changed since.
      const { uid, createTime } = present;
      return {
        change: 'CHANGE_ROLLED_BACK',
        entry: { ...from, name, uid, createTime, updateTime: now, etag: '' },
        rolledBackTo: BigInt(etagRevision(from.etag)),
        rollout: { changed: undone(known.rollout, now, reason) },
        conditions,
      };
    },
  };
}

function applyAtOnce(change: EntryChange): EntryChange {
  return {
    ...change,
    async plan(present, now, known) {
      const planned = await change.plan(present, now);
      if (planned.change === 'CHANGE_UNSPECIFIED' || !known || !isActive(known.rollout)) return planned;
      const remedy = 'resume it, undo it (logfleet rollout), or write with a plan, which replaces it';
      const text = `${change.name} is being rolled out (${describeProgress(known.rollout)}): ${remedy}`;
      throw new ApiError('FAILED_PRECONDITION', text);
    },
  };
}

function applyInSteps(change: EntryChange, plan: RolloutPlan): EntryChange {
  return {
    ...change,
    async plan(present, now, known) {
      const violations = planViolations(plan);
      try {
        let planned = await change.plan(present, now);
        if (violations.length === 0) {
          if (planned.change === 'CHANGE_UNSPECIFIED') {
            if (!known || !isActive(known.rollout)) return planned;
            // The new plan replaces that of the rollout.
            planned = { ...planned, change: 'CHANGE_UPDATED', entry: { ...planned.entry, updateTime: now } };
          }
          const begun = newRollout(change.name, plan, previousVersion(present, known), now);
          return { ...planned, rollout: { begun } };
        }
      } catch (error) {
        if (!(error instanceof ApiError) || error.violations.length === 0) throw error;
        violations.unshift(...error.violations);
      }
      throw invalidArgument(violations);
    },
  };
}

/** The version for agents outside the stage. When a rollout replaces another, it is that one's. */
function previousVersion(present: Entry | undefined, known: KnownRollout | undefined): Entry | undefined {
  return known && isActive(known.rollout) ? known.rollout.from : present;
}

function newRollout(entry: string, plan: RolloutPlan, from: Entry | undefined, now: Date): Rollout {
  return Rollout.create({
    ...{ id: randomUUID(), entry, from, plan: withPlanDefaults(plan), state: 'STATE_PROGRESSING' },
    ...{ createTime: now, updateTime: now, stepTime: now, stage: RolloutStage.create() },
  });
}

function undone(rollout: Rollout, now: Date, reason: string): Rollout {
  return { ...rollout, state: 'STATE_UNDONE', reason, updateTime: now };
}
