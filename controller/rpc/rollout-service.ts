import type { CallContext } from 'nice-grpc';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { type Rollout, RolloutAccepted, RolloutStatus } from '../../proto/gen/logfleet/v1/rollout.ts';
import type {
  CountRolloutsRequest,
  CountRolloutsResponse,
  GetRolloutRequest,
  ListRolloutsRequest,
  ListRolloutsResponse,
  PauseRolloutRequest,
  ResumeRolloutRequest,
  RolloutServiceImplementation,
  UndoRolloutRequest,
  UndoRolloutResponse,
  WatchRolloutRequest,
} from '../../proto/gen/logfleet/v1/rollout_service.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Assignment, Assignments } from '../desired/assignments.ts';
import { reasonViolations } from '../entries/entry-changes.ts';
import type { EntryRepository } from '../entries/entry-repository.ts';
import type { EntryView } from '../entries/entry-view.ts';
import { currentRollout, describeProgress, type KnownRollout } from '../entries/rollout-record.ts';
import type { RolloutRepository } from '../entries/rollout-repository.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { Census, EntryCensus } from '../rollouts/census.ts';
import { undoRollout } from '../rollouts/rollout-changes.ts';
import { authorOf } from './author.ts';
import { listing } from './listing.ts';

const WATCH_INTERVAL_MS = 500;
/** Counting for one watcher takes at most this share of the time. */
const WATCH_DUTY = 0.05;
/** How often a change that loses a race with the elected controller is tried. */
const ATTEMPTS_MAX = 5;

export interface RolloutServiceParts {
  entries: EntryView;
  rollouts: RolloutRepository;
  assignments: Assignments;
  census: Census;
  repository: EntryRepository;
}

/** The calls of RolloutService. */
export class RolloutService implements RolloutServiceImplementation {
  readonly #parts: RolloutServiceParts;
  readonly #clock: Clock;

  constructor(parts: RolloutServiceParts, { clock }: { clock: Clock }) {
    this.#parts = parts;
    this.#clock = clock;
  }

  getRollout({ name }: GetRolloutRequest): Promise<RolloutStatus> {
    return this.#readStatus(name);
  }

  async listRollouts(request: ListRolloutsRequest): Promise<ListRolloutsResponse> {
    const { page: pageOf } = listing({ ...request, labelSelector: '', filter: 'rollouts' });
    const rolledOut = this.#parts.assignments.all().filter(({ name }) => this.#lastRollout(name));
    const { page, nextPageToken } = pageOf(rolledOut, () => 0);
    const counted = await this.#parts.census.count(page.map((assignment) => ({ assignment, numbers: 0 })));
    const rollouts = page.map((assignment, index) => this.#toStatus(assignment, counted[index] as EntryCensus));
    return { rollouts, nextPageToken };
  }

  async *watchRollout({ name }: WatchRolloutRequest, { signal }: CallContext): AsyncGenerator<RolloutStatus> {
    let sent: string | undefined;
    while (!signal.aborted) {
      const startMs = this.#clock.monotonicMs();
      const status = await this.#readStatus(name);
      const text = JSON.stringify(RolloutStatus.toJSON(status));
      if (text !== sent) yield status;
      sent = text;
      const tookMs = this.#clock.monotonicMs() - startMs;
      await this.#clock.sleep(Math.max(WATCH_INTERVAL_MS, tookMs / WATCH_DUTY), signal).catch(() => {});
    }
  }

  pauseRollout({ name }: PauseRolloutRequest, context: CallContext): Promise<RolloutStatus> {
    const author = authorOf(context).name || 'an unnamed client';
    return this.#change(name, ['STATE_PROGRESSING'], async () => ({
      ...{ state: 'STATE_PAUSED', reason: `paused by ${author}` },
    }));
  }

  resumeRollout({ name }: ResumeRolloutRequest): Promise<RolloutStatus> {
    return this.#change(name, ['STATE_PAUSED', 'STATE_HALTED'], async (assignment) => {
      const [counted] = await this.#parts.census.count([{ assignment, numbers: 0 }]);
      const { failed = 0, lostBytes = 0n, maxLagBytes: lagBytes = 0n } = counted?.counts ?? {};
      const accepted = RolloutAccepted.create({ failed, lostBytes, lagBytes });
      return { state: 'STATE_PROGRESSING', reason: '', accepted, stepTime: new Date(this.#clock.nowMs()) };
    });
  }

  async undoRollout({ name, changeReason }: UndoRolloutRequest, context: CallContext): Promise<UndoRolloutResponse> {
    const violations = reasonViolations('change_reason', changeReason);
    if (violations.length > 0) throw invalidArgument(violations);
    const author = authorOf(context);
    const reason = `undone by ${author.name || 'an unnamed client'}${changeReason === '' ? '' : `: ${changeReason}`}`;
    const change = undoRollout({ name, reason }, { reason: changeReason, fieldOf: (field) => field });
    const { revision, results } = await this.#parts.repository.commit([change], { author });
    return { revision, deleted: results[0]?.change === 'CHANGE_DELETED' };
  }

  countRollouts(request: CountRolloutsRequest): Promise<CountRolloutsResponse> {
    return this.#parts.census.countLocal(request);
  }

  async #readStatus(name: string): Promise<RolloutStatus> {
    const assignment = this.#requireAssignment(name);
    const [counted] = await this.#parts.census.count([{ assignment, numbers: 0 }]);
    return this.#toStatus(assignment, counted as EntryCensus);
  }

  /** Throws NOT_FOUND, INVALID_ARGUMENT or UNAVAILABLE. */
  #requireAssignment(name: string): Assignment {
    this.#parts.entries.get(name);
    return this.#parts.assignments.find(name) as Assignment;
  }

  #lastRollout(name: string): KnownRollout | undefined {
    return this.#parts.rollouts.get(this.#parts.entries.find(name)?.rollout);
  }

  #toStatus({ target }: Assignment, { counts, disconnected: away, unreachable }: EntryCensus): RolloutStatus {
    const { name, etag } = target.entry;
    const known = this.#lastRollout(name);
    const current = currentRollout(known, BigInt(etagRevision(etag))) !== undefined;
    const rollout = known && withoutEntryText(known.rollout);
    return RolloutStatus.create({ entry: name, etag, rollout, current, counts, away, unreachable });
  }

  /** Changes the rollout of an entry. It must be in one of the states `from`. */
  async #change(
    name: string,
    from: readonly Rollout['state'][],
    change: (assignment: Assignment) => Promise<Partial<Rollout>>,
  ): Promise<RolloutStatus> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const assignment = this.#requireAssignment(name);
      const { known } = assignment.split ?? {};
      if (!known || !from.includes(known.rollout.state)) throw this.#wrongState(name, from);
      const next = { ...known.rollout, ...(await change(assignment)), updateTime: new Date(this.#clock.nowMs()) };
      if (await this.#parts.rollouts.replace(known, next)) return this.#readStatus(name);
      // The rollout has been written since: try again once the view has that write.
      await this.#parts.rollouts.refresh(next.id);
    }
    throw new ApiError('ABORTED', `the rollout of ${name} changes too often to change it: try again`);
  }

  #wrongState(name: string, from: readonly Rollout['state'][]): ApiError {
    const known = this.#lastRollout(name);
    const states = from.map((state) => state.replace(/^STATE_/, '')).join(' or ');
    const text = known
      ? `the rollout of ${name} is at ${describeProgress(known.rollout)}: it must be ${states}`
      : `${name} has no rollout: it must have one in ${states}`;
    return new ApiError('FAILED_PRECONDITION', text);
  }
}

/** The previous entry may be large, and clients find it in the history. */
function withoutEntryText(rollout: Rollout): Rollout {
  const { name, etag } = rollout.from ?? {};
  return { ...rollout, from: rollout.from && Entry.create({ name: name ?? '', etag: etag ?? '' }) };
}
