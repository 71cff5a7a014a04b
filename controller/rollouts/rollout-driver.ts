import { type Rollout, RolloutStage } from '../../proto/gen/logfleet/v1/rollout.ts';
import { controllerName, entryId } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Assignment, Assignments } from '../desired/assignments.ts';
import { nextStage, stepCanary, wantedCount } from '../desired/stage.ts';
import type { EntryRepository } from '../entries/entry-repository.ts';
import type { EntryView } from '../entries/entry-view.ts';
import { describeProgress, isActive, type KnownRollout } from '../entries/rollout-record.ts';
import type { RolloutRepository } from '../entries/rollout-repository.ts';
import type { Election, Term } from '../etcd/election.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';
import type { KeyFamily } from '../etcd/keyspace.ts';
import type { Census, EntryCensus } from './census.ts';
import { judge } from './judge.ts';
import { undoRollout } from './rollout-changes.ts';

const INTERVAL_MS = 1_000;
/** Counting agents takes at most this share of the time. */
const DUTY = 0.1;
const REASON_CHARACTERS_MAX = 1_024;

export interface RolloutDriverParts {
  entries: EntryView;
  rollouts: RolloutRepository;
  assignments: Assignments;
  census: Census;
  repository: EntryRepository;
}

/** How long the agents of a step have been settled. */
interface StepWatch {
  /** When all of its agents were first settled. */
  settledMs: number | undefined;
  /**
   * When they were last settled; before that, when the step was first judged. The deadline counts
   * from here: a step may last for days, in which agents restart.
   */
  healthyMs: number;
}

/**
 * Moves rollouts through their steps, at the controller that is elected. Its state is in etcd,
 * except the times in StepWatch: a successor waits for them again. While a controller does not
 * respond, no rollout moves or fails.
 */
export class RolloutDriver {
  readonly #parts: RolloutDriverParts;
  readonly #entryKeys: KeyFamily;
  readonly #controllerId: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By `stepKey`. */
  #watches = new Map<string, StepWatch>();

  constructor(
    parts: RolloutDriverParts,
    { entryKeys, controllerId }: { entryKeys: KeyFamily; controllerId: string },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#parts = parts;
    this.#entryKeys = entryKeys;
    this.#controllerId = controllerId;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  run(election: Election, signal: AbortSignal): Promise<void> {
    return election.run(signal, (term) => this.#serve(term));
  }

  async #serve(term: Term): Promise<void> {
    this.#watches = new Map();
    await this.#parts.assignments.waitForRevision(term.revision);
    while (!term.signal.aborted) {
      const startMs = this.#clock.monotonicMs();
      await this.#cleanUp(term);
      await this.#moveAll(term);
      const tookMs = this.#clock.monotonicMs() - startMs;
      await this.#clock.sleep(Math.max(INTERVAL_MS, tookMs / DUTY), term.signal);
    }
  }

  /**
   * Ends rollouts whose entry was written behind the controllers' back. Deletes those without an
   * entry.
   */
  async #cleanUp(term: Term): Promise<void> {
    const { rollouts, entries } = this.#parts;
    for (const known of rollouts.all()) {
      const { rollout, createRevision } = known;
      const entry = entries.find(rollout.entry);
      // If this controller cannot read the entry but others can, then without its rollout the
      // entry would go to every agent: delete the rollout only if the key does not exist.
      const absent = { key: this.#entryKeys.key(entryId(rollout.entry) ?? ''), revision: 0n };
      if (entry?.rollout !== rollout.id) await this.#write(term, known, undefined, entry ? [] : [absent]);
      else if (isActive(rollout) && entry.stored.revision !== createRevision) {
        const reason = "the entry was written behind the controllers' back, and goes to all agents";
        await this.#write(term, known, { ...rollout, state: 'STATE_UNDONE', reason });
      }
    }
  }

  async #moveAll(term: Term): Promise<void> {
    const { rollouts, assignments, census } = this.#parts;
    const moving = rollouts.all().flatMap(({ rollout }) => {
      const assignment = assignments.find(rollout.entry);
      const isOwn = assignment?.split?.known.rollout.id === rollout.id;
      return isOwn && rollout.state === 'STATE_PROGRESSING' ? [{ assignment, numbers: 0 }] : [];
    });
    const steps = new Set(moving.map(({ assignment }) => stepKey(assignment.split?.known as KnownRollout)));
    for (const key of this.#watches.keys()) if (!steps.has(key)) this.#watches.delete(key);
    if (moving.length === 0) return;
    const counted = await census.count(moving);
    for (const [index, { assignment }] of moving.entries()) {
      term.signal.throwIfAborted();
      try {
        await this.#move(term, assignment, counted[index] as EntryCensus);
      } catch (error) {
        if (isAbort(error, term.signal)) throw error;
        this.#logger.warn('rollout not moved', { entry: assignment.name, error: errorText(error) });
      }
    }
  }

  async #move(term: Term, assignment: Assignment, census: EntryCensus): Promise<void> {
    const known = assignment.split?.known as KnownRollout;
    const { rollout } = known;
    if (census.unreachable.length > 0) return;
    if (rollout.step === 0) return this.#beginStep(term, assignment, known, census);
    const nowMs = this.#clock.monotonicMs();
    const watch = this.#watches.get(stepKey(known)) ?? { settledMs: undefined, healthyMs: nowMs };
    this.#watches.set(stepKey(known), watch);
    const verdict = judge(rollout, census, nowMs - watch.healthyMs);
    if (verdict.kind === 'failed') return this.#fail(term, known, verdict.reason);
    if (verdict.kind === 'waiting') return;
    // The wait does not start again for agents that reconnect: in a large fleet some always do.
    watch.settledMs ??= nowMs;
    watch.healthyMs = nowMs;
    const steps = rollout.plan?.steps ?? [];
    if (nowMs - watch.settledMs < Number(steps[rollout.step - 1]?.waitMs ?? 0n)) return;
    if (rollout.step < steps.length) await this.#beginStep(term, assignment, known, census);
    else await this.#write(term, known, { ...rollout, state: 'STATE_COMPLETE', reason: '' });
  }

  async #beginStep(term: Term, assignment: Assignment, known: KnownRollout, { counts }: EntryCensus): Promise<void> {
    const { rollout } = known;
    const step = rollout.step + 1;
    const canary = stepCanary(rollout, step);
    const wanted = wantedCount(canary, counts.connected);
    const missing = Math.max(0, (wanted ?? 0) - counts.selected);
    const [counted] = missing > 0 ? await this.#parts.census.count([{ assignment, numbers: missing }]) : [];
    if (counted && counted.unreachable.length > 0) return;
    const numbers = counted?.numbers ?? [];
    const stage = nextStage(rollout.stage ?? RolloutStage.create(), canary, { numbers, missing });
    const stepTime = new Date(this.#clock.nowMs());
    await this.#write(term, known, { ...rollout, step, stage, stepTime, reason: '', accepted: undefined });
  }

  async #fail(term: Term, known: KnownRollout, reason: string): Promise<void> {
    const { rollout } = known;
    if (rollout.plan?.onFailure !== 'undo') {
      await this.#write(term, known, { ...rollout, state: 'STATE_HALTED', reason });
      return;
    }
    const { key, revision } = term;
    const text = `undone automatically: ${reason}`;
    const request = { name: rollout.entry, reason: text, expected: known.revision, conditions: [{ key, revision }] };
    const change = undoRollout(request, {
      reason: text.slice(0, REASON_CHARACTERS_MAX),
      fieldOf: (field) => field,
    });
    const author = { name: controllerName(this.#controllerId), authenticated: false };
    await this.#parts.repository.commit([change], { author });
    this.#logger.warn('rollout undone', { entry: rollout.entry, reason });
  }

  /** Writes the new state of a rollout, unless it has been written since. Undefined deletes it. */
  async #write(
    term: Term,
    known: KnownRollout,
    next: Rollout | undefined,
    conditions: Transaction['conditions'] = [],
  ): Promise<void> {
    const value = next && { ...next, updateTime: new Date(this.#clock.nowMs()) };
    if (!(await this.#parts.rollouts.replace(known, value, { term, conditions }))) return;
    if (!next) return;
    const { entry, reason } = next;
    const fields = { entry, progress: describeProgress(next), ...(reason !== '' && { reason }) };
    if (next.state === 'STATE_HALTED') this.#logger.warn('rollout halted', fields);
    else this.#logger.info('rollout moved', fields);
  }
}

/** Identifies a step from when it begins or is resumed: both write the rollout. */
function stepKey({ rollout, revision }: KnownRollout): string {
  return `${rollout.id} ${revision}`;
}
