import { type Rollout, RolloutStage } from '../../proto/gen/logfleet/v1/rollout.ts';
import { entryId } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Assignment, Assignments } from '../desired/assignments.ts';
import { canaryOf, nextStage, wantedCount } from '../desired/stage.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import type { EntryWriter } from '../entries/entry-writer.ts';
import { encodeRollout, isActive, type KnownRollout, whereItIs } from '../entries/rollout-record.ts';
import type { RolloutView } from '../entries/rollout-view.ts';
import { type Election, fenced, type Term } from '../etcd/election.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { Transaction } from '../etcd/etcd-keys.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import type { Census, Counted } from './census.ts';
import { judge } from './judge.ts';
import { undoWrite } from './rollout-writes.ts';

const INTERVAL_MS = 1_000;
/** Counting takes no more than this part of the time. */
const DUTY = 0.1;

export interface MoverParts {
  client: EtcdClient;
  keys: Keyspace;
  store: EntryStore;
  rollouts: RolloutView;
  assignments: Assignments;
  census: Census;
  writer: EntryWriter;
}

/** What is remembered of a step. */
interface Watched {
  /** When all of its agents had first settled. */
  settledMs: number | undefined;
  /** When they last had; before, when it was first looked at. The deadline goes by it: a step may wait for days, in which agents restart. */
  wellMs: number;
}

/**
 * Moves rollouts on, at the controller that is elected. All that it goes by is in etcd, but for how long all has been well in a step, and
 * for how long not: a successor waits that time anew. As long as a controller does not answer, nothing moves, and nothing fails.
 */
export class RolloutMover {
  readonly #parts: MoverParts;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By `keyOf`. */
  #watched = new Map<string, Watched>();

  constructor(parts: MoverParts, tools: { clock: Clock; logger: Logger }) {
    this.#parts = parts;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  run(election: Election, signal: AbortSignal): Promise<void> {
    return election.run(signal, (term) => this.#serve(term));
  }

  async #serve(term: Term): Promise<void> {
    this.#watched = new Map();
    await this.#parts.assignments.reaches(term.revision);
    while (!term.signal.aborted) {
      const startMs = this.#clock.monotonicMs();
      await this.#tidy(term);
      await this.#moveAll(term);
      const tookMs = this.#clock.monotonicMs() - startMs;
      await this.#clock.sleep(Math.max(INTERVAL_MS, tookMs / DUTY), term.signal);
    }
  }

  /** Ends rollouts whose entry was written past the controllers, and forgets those that no entry calls its own. */
  async #tidy(term: Term): Promise<void> {
    const { rollouts, store, keys } = this.#parts;
    for (const known of rollouts.all()) {
      const { rollout, created } = known;
      const entry = store.find(rollout.entry);
      // One that is not known may be one that this controller can't read: for others that have it, it would go to all.
      const absent = { key: keys.entry(entryId(rollout.entry) ?? ''), revision: 0n };
      if (entry?.rollout !== rollout.id) await this.#write(term, known, undefined, entry ? [] : [absent]);
      else if (isActive(rollout) && entry.stored.revision !== created) {
        const reason = 'the entry was written past the controllers, and goes to all';
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
    const moved = new Set(moving.map(({ assignment }) => keyOf(assignment.split?.known as KnownRollout)));
    for (const key of this.#watched.keys()) if (!moved.has(key)) this.#watched.delete(key);
    if (moving.length === 0) return;
    const counted = await census.take(moving);
    for (const [index, { assignment }] of moving.entries()) {
      try {
        await this.#move(term, assignment, counted[index] as Counted);
      } catch (error) {
        if (isAbort(error, term.signal)) throw error;
        this.#logger.warn('a rollout is not moved on', { entry: assignment.name, error: errorText(error) });
      }
    }
  }

  async #move(term: Term, assignment: Assignment, health: Counted): Promise<void> {
    const known = assignment.split?.known as KnownRollout;
    const { rollout } = known;
    if (health.unreachable.length > 0) return;
    if (rollout.step === 0) return this.#begin(term, assignment, known, health);
    const nowMs = this.#clock.monotonicMs();
    const watched = this.#watched.get(keyOf(known)) ?? { settledMs: undefined, wellMs: nowMs };
    this.#watched.set(keyOf(known), watched);
    const verdict = judge(rollout, health, nowMs - watched.wellMs);
    if (verdict.kind === 'failed') return this.#fail(term, known, verdict.reason);
    if (verdict.kind === 'waiting') return;
    // Who connects anew meanwhile is waited for, but the time does not begin anew: in a large fleet there is always somebody.
    watched.settledMs ??= nowMs;
    watched.wellMs = nowMs;
    const steps = rollout.plan?.steps ?? [];
    if (nowMs - watched.settledMs < Number(steps[rollout.step - 1]?.waitMs ?? 0n)) return;
    if (rollout.step < steps.length) await this.#begin(term, assignment, known, health);
    else await this.#write(term, known, { ...rollout, state: 'STATE_COMPLETE', reason: '' });
  }

  /** Begins the next step. */
  async #begin(term: Term, assignment: Assignment, known: KnownRollout, { counts }: Counted): Promise<void> {
    const { rollout } = known;
    const step = rollout.step + 1;
    const canary = canaryOf(rollout, step);
    const wanted = wantedCount(canary, counts.connected);
    const missing = Math.max(0, (wanted ?? 0) - counts.selected);
    const [counted] = missing > 0 ? await this.#parts.census.take([{ assignment, numbers: missing }]) : [];
    if (counted && counted.unreachable.length > 0) return;
    const stage = nextStage(rollout.stage ?? RolloutStage.create(), canary, {
      numbers: counted?.numbers ?? [],
      missing,
    });
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
    const why = `undone by itself: ${reason}`;
    const asked = { name: rollout.entry, why, expected: known.revision, when: [{ key, revision }] };
    const write = undoWrite(asked, { reason: why.slice(0, 1_024), fieldOf: (field) => field });
    await this.#parts.writer.write(
      [write],
      { name: `controllers/${this.#parts.census.controllerId}`, authenticated: false },
      false,
    );
    this.#logger.warn('a rollout is undone', { entry: rollout.entry, reason });
  }

  /** Writes what a rollout is now, unless somebody else has written it meanwhile; undefined: it is forgotten. `also`: what must be so besides. */
  async #write(
    term: Term,
    { rollout: former, revision }: KnownRollout,
    next: Rollout | undefined,
    also: Transaction['when'] = [],
  ): Promise<void> {
    const { client, keys, assignments } = this.#parts;
    const key = keys.rollout(former.id);
    const value = next && encodeRollout({ ...next, updateTime: new Date(this.#clock.nowMs()) });
    const when = [{ key, revision }, ...also];
    const written = await fenced(client, term, [{ key, ...(value !== undefined && { value }) }], when);
    if (written === undefined) return;
    await assignments.reaches(written);
    if (!next) return;
    const fields = { entry: next.entry, at: whereItIs(next), ...(next.reason !== '' && { reason: next.reason }) };
    if (next.state === 'STATE_HALTED') this.#logger.warn('a rollout has halted', fields);
    else this.#logger.info('a rollout goes on', fields);
  }
}

/** A step that begins, or is resumed, is waited for anew. */
function keyOf({ rollout, revision }: KnownRollout): string {
  return `${rollout.id} ${revision}`;
}
