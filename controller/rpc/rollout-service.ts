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
import type { Clock } from '../../runtime/clock.ts';
import type { Assignment, Assignments } from '../desired/assignments.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import type { EntryWriter } from '../entries/entry-writer.ts';
import { reasonViolations } from '../entries/entry-writes.ts';
import { encodeRollout, governing, type KnownRollout, whereItIs } from '../entries/rollout-record.ts';
import type { RolloutView } from '../entries/rollout-view.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import type { Census, Counted } from '../rollouts/census.ts';
import { undoWrite } from '../rollouts/rollout-writes.ts';
import { authorOf } from './author.ts';
import { listing } from './listing.ts';

const WATCH_INTERVAL_MS = 500;
/** Counting for one watcher takes no more than this part of the time. */
const WATCH_DUTY = 0.05;
/** A state that the elected controller changes at the same time is looked at again, this often. */
const ATTEMPTS_MAX = 5;

interface Parts {
  client: EtcdClient;
  keys: Keyspace;
  store: EntryStore;
  rollouts: RolloutView;
  assignments: Assignments;
  census: Census;
  writer: EntryWriter;
}

/** The calls of RolloutService. */
export class RolloutService implements RolloutServiceImplementation {
  readonly #parts: Parts;
  readonly #clock: Clock;

  constructor(parts: Parts, { clock }: { clock: Clock }) {
    this.#parts = parts;
    this.#clock = clock;
  }

  getRollout({ name }: GetRolloutRequest): Promise<RolloutStatus> {
    return this.#status(name);
  }

  async listRollouts(request: ListRolloutsRequest): Promise<ListRolloutsResponse> {
    const { page: pageOf } = listing({ ...request, labelSelector: '', filter: 'rollouts' });
    const known = this.#parts.assignments.all().filter(({ name }) => this.#knownOf(name));
    const { page, nextPageToken } = pageOf(known, () => 0);
    const counted = await this.#parts.census.take(page.map((assignment) => ({ assignment, numbers: 0 })));
    const rollouts = page.map((assignment, index) => this.#describe(assignment, counted[index] as Counted));
    return { rollouts, nextPageToken };
  }

  async *watchRollout({ name }: WatchRolloutRequest, { signal }: CallContext): AsyncGenerator<RolloutStatus> {
    let told: string | undefined;
    while (!signal.aborted) {
      const startMs = this.#clock.monotonicMs();
      const status = await this.#status(name);
      const text = JSON.stringify(RolloutStatus.toJSON(status));
      if (text !== told) yield status;
      told = text;
      const tookMs = this.#clock.monotonicMs() - startMs;
      await this.#clock.sleep(Math.max(WATCH_INTERVAL_MS, tookMs / WATCH_DUTY), signal).catch(() => {});
    }
  }

  pauseRollout({ name }: PauseRolloutRequest, context: CallContext): Promise<RolloutStatus> {
    const by = authorOf(context).name || 'somebody';
    return this.#change(name, ['STATE_PROGRESSING'], async () => ({
      ...{ state: 'STATE_PAUSED', reason: `paused by ${by}` },
    }));
  }

  resumeRollout({ name }: ResumeRolloutRequest): Promise<RolloutStatus> {
    return this.#change(name, ['STATE_PAUSED', 'STATE_HALTED'], async (assignment) => {
      const [counted] = await this.#parts.census.take([{ assignment, numbers: 0 }]);
      const { failed = 0, lostBytes = 0n, maxLagBytes: lagBytes = 0n } = counted?.counts ?? {};
      const accepted = RolloutAccepted.create({ failed, lostBytes, lagBytes });
      return { state: 'STATE_PROGRESSING', reason: '', accepted, stepTime: new Date(this.#clock.nowMs()) };
    });
  }

  async undoRollout({ name, changeReason }: UndoRolloutRequest, context: CallContext): Promise<UndoRolloutResponse> {
    const violations = reasonViolations('change_reason', changeReason);
    if (violations.length > 0) throw invalidArgument(violations);
    const by = authorOf(context);
    const why = `undone by ${by.name || 'somebody'}${changeReason === '' ? '' : `: ${changeReason}`}`;
    const write = undoWrite({ name, why }, { reason: changeReason, fieldOf: (field) => field });
    const { revision, results } = await this.#parts.writer.write([write], by, false);
    return { revision, deleted: results[0]?.change === 'CHANGE_DELETED' };
  }

  countRollouts(request: CountRolloutsRequest): Promise<CountRolloutsResponse> {
    return this.#parts.census.local(request);
  }

  async #status(name: string): Promise<RolloutStatus> {
    const assignment = this.#find(name);
    const [counted] = await this.#parts.census.take([{ assignment, numbers: 0 }]);
    return this.#describe(assignment, counted as Counted);
  }

  /** Throws NOT_FOUND, INVALID_ARGUMENT, UNAVAILABLE. */
  #find(name: string): Assignment {
    this.#parts.store.get(name);
    return this.#parts.assignments.find(name) as Assignment;
  }

  #knownOf(name: string): KnownRollout | undefined {
    return this.#parts.rollouts.get(this.#parts.store.find(name)?.rollout);
  }

  #describe({ target }: Assignment, { counts, away, unreachable }: Counted): RolloutStatus {
    const { name, etag } = target.entry;
    const known = this.#knownOf(name);
    const current = governing(known, BigInt(etag)) !== undefined;
    return RolloutStatus.create({
      entry: name,
      etag,
      rollout: known && shown(known.rollout),
      current,
      counts,
      away,
      unreachable,
    });
  }

  /** Writes what `change` says of the entry's rollout. */
  async #change(
    name: string,
    from: readonly Rollout['state'][],
    change: (assignment: Assignment) => Promise<Partial<Rollout>>,
  ): Promise<RolloutStatus> {
    const { client, keys, assignments } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const assignment = this.#find(name);
      const { known } = assignment.split ?? {};
      if (!known || !from.includes(known.rollout.state)) throw this.#notInState(name, from);
      const next = { ...known.rollout, ...(await change(assignment)), updateTime: new Date(this.#clock.nowMs()) };
      const key = keys.rollout(next.id);
      const written = await client.transact({
        when: [{ key, revision: known.revision }],
        puts: [{ key, value: encodeRollout(next) }],
        deletes: [],
      });
      if (written !== undefined) {
        await assignments.reaches(written);
        return this.#status(name);
      }
      // The view is behind.
      const present = await client.get(key);
      if (present) await assignments.reaches(present.revision);
    }
    throw new ApiError('ABORTED', `the rollout of ${name} is being changed by others all the time: try again`);
  }

  #notInState(name: string, from: readonly Rollout['state'][]): ApiError {
    const known = this.#knownOf(name);
    const wanted = from.map((state) => state.replace(/^STATE_/, '')).join(' or ');
    const found = known ? `is at ${whereItIs(known.rollout)}` : 'is none';
    return new ApiError('FAILED_PRECONDITION', `the rollout of ${name} ${found}: it must be ${wanted}`);
  }
}

/** The former entry may be large, and is in the history. */
function shown(rollout: Rollout): Rollout {
  const { name, etag } = rollout.from ?? {};
  return { ...rollout, from: rollout.from && Entry.create({ name: name ?? '', etag: etag ?? '' }) };
}
