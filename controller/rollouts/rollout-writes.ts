import { randomUUID } from 'node:crypto';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { Rollout, type RolloutPlan, RolloutStage } from '../../proto/gen/logfleet/v1/rollout.ts';
import { planViolations, withPlanDefaults } from '../../proto/rules/rollout-rules.ts';
import {
  type EntryWrite,
  notFound,
  type PlannedWrite,
  requireEntryName,
  type WriteTerms,
} from '../entries/entry-writes.ts';
import { isActive, type KnownRollout, whereItIs } from '../entries/rollout-record.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';

/** The write, to all agents at once, or in steps where there is a plan. */
export function rolledOut(write: EntryWrite, plan: RolloutPlan | undefined): EntryWrite {
  return plan ? inSteps(write, plan) : atOnce(write);
}

/** A write that ends the entry's rollout, if it has one that is not complete. */
export function endingRollout(write: EntryWrite, why: string): EntryWrite {
  return {
    ...write,
    async plan(former, now, known) {
      const planned = await write.plan(former, now);
      if (planned.change === 'CHANGE_DELETED' || !known || !isActive(known.rollout)) return planned;
      return { ...planned, rollout: { changed: undone(known.rollout, now, why) } };
    },
  };
}

/** Gives everybody the former version again. `expected`: the rollout's revision on which this was decided. */
export function undoWrite(
  asked: { name: string; why: string; expected?: bigint; when?: Transaction['when'] },
  terms: WriteTerms,
): EntryWrite {
  const { name, why, expected, when = [] } = asked;
  return {
    name,
    ...terms,
    plan(former, now, known): PlannedWrite {
      requireEntryName(name);
      if (!former) throw notFound(name);
      if (!known || known.rollout.state === 'STATE_UNDONE') {
        const remedy = 'see logfleet history, and roll back to a revision';
        throw new ApiError('FAILED_PRECONDITION', `the present version of ${name} is not of a rollout: ${remedy}`);
      }
      if (expected !== undefined && known.revision !== expected)
        throw new ApiError('ABORTED', `the rollout of ${name} has changed meanwhile`);
      const { from } = known.rollout;
      if (!from) return { change: 'CHANGE_DELETED', entry: former, when };
      // What was in force is in force again, whatever the rules say of it by now.
      const { uid, createTime } = former;
      return {
        change: 'CHANGE_ROLLED_BACK',
        entry: { ...from, name, uid, createTime, updateTime: now, etag: '' },
        rolledBackTo: BigInt(from.etag),
        rollout: { changed: undone(known.rollout, now, why) },
        when,
      };
    },
  };
}

function atOnce(write: EntryWrite): EntryWrite {
  return {
    ...write,
    async plan(former, now, known) {
      const planned = await write.plan(former, now);
      if (!known || !isActive(known.rollout)) return planned;
      const remedy = 'resume it, undo it (logfleet rollout), or write with a plan, which takes its place';
      const text = `${write.name} is being rolled out (${whereItIs(known.rollout)}): ${remedy}`;
      throw new ApiError('FAILED_PRECONDITION', text);
    },
  };
}

function inSteps(write: EntryWrite, plan: RolloutPlan): EntryWrite {
  return {
    ...write,
    async plan(former, now, known) {
      const violations = planViolations(plan);
      try {
        const planned = await write.plan(former, now);
        if (violations.length === 0)
          return { ...planned, rollout: { begun: begun(write.name, plan, fromOf(former, known), now) } };
      } catch (error) {
        if (!(error instanceof ApiError) || error.violations.length === 0) throw error;
        violations.unshift(...error.violations);
      }
      throw invalidArgument(violations);
    },
  };
}

/** Agents outside a stage have what they had before the rollout whose place this one takes. */
function fromOf(former: Entry | undefined, known: KnownRollout | undefined): Entry | undefined {
  return known && isActive(known.rollout) ? known.rollout.from : former;
}

function begun(entry: string, plan: RolloutPlan, from: Entry | undefined, now: Date): Rollout {
  return Rollout.create({
    ...{ id: randomUUID(), entry, from, plan: withPlanDefaults(plan), state: 'STATE_PROGRESSING' },
    ...{ createTime: now, updateTime: now, stepTime: now, stage: RolloutStage.create() },
  });
}

function undone(rollout: Rollout, now: Date, reason: string): Rollout {
  return { ...rollout, state: 'STATE_UNDONE', reason, updateTime: now };
}
