import assert from 'node:assert/strict';

/** The possible states of an entry; undefined: it does not exist. Each write sets another owner. */
export type EntryState = { owner: string; selector: string } | undefined;

/** What is known of one name. */
interface Known {
  /**
   * The states that it may have now: one, and those of later writes that ended with UNAVAILABLE.
   */
  possible: EntryState[];
  /** Every acknowledged write that left an entry, by the revision in the response. */
  readonly acknowledged: Map<string, EntryState>;
  /** What an undo may restore; empty: no version is being rolled out. */
  before: EntryState[];
  /** A version was rolled out in steps. */
  hadRollout: boolean;
}

/**
 * The state that the fleet should have, as far as responses tell. At first everything runs and is
 * connected.
 */
export class FleetModel {
  readonly #entries = new Map<string, Known>();
  readonly controllers = [true, true];
  etcd = true;
  readonly agents: boolean[];

  constructor(agents: number) {
    this.agents = Array.from({ length: agents }, () => true);
  }

  get ids(): string[] {
    return [...this.#entries.keys()];
  }

  known(id: string): Known {
    const known = this.#entries.get(id) ?? {
      ...{ possible: [undefined], acknowledged: new Map(), before: [], hadRollout: false },
    };
    this.#entries.set(id, known);
    return known;
  }

  /** `revision`: empty for a deletion. `inSteps`: it is rolled out by a plan. */
  acknowledge(id: string, state: EntryState, revision: string, inSteps: boolean): void {
    const known = this.known(id);
    this.#begin(known, inSteps);
    if (!inSteps) known.before = [];
    known.possible = [state];
    if (state) known.acknowledged.set(revision, state);
  }

  /** A write of unknown outcome. */
  doubt(id: string, state: EntryState, inSteps: boolean): void {
    const known = this.known(id);
    this.#begin(known, inSteps);
    known.possible.push(state);
  }

  /** A write that was refused because a version is being rolled out: then one must be. */
  isRolledOut(id: string): void {
    assert.ok(this.known(id).before.length > 0, `${id} is said to be rolled out`);
  }

  /** A rollout was undone by a write at `revision`; undefined: the outcome is unknown. */
  undone(id: string, revision: string | undefined, deleted: boolean): void {
    const known = this.known(id);
    if (revision === undefined) {
      known.possible.push(...known.before);
      return;
    }
    known.possible = known.before.filter((state) => (state === undefined) === deleted);
    assert.ok(known.possible.length > 0, `${id} is undone to what was not: ${JSON.stringify(known.before)}`);
    known.before = [];
    const [state] = known.possible;
    if (state && known.possible.length === 1) known.acknowledged.set(revision, state);
  }

  /** Whether an agent may get an older version of the entry than it had. */
  mayGoBack(id: string): boolean {
    return this.known(id).hadRollout;
  }

  /**
   * The previous rollout may or may not be complete. So what was before it may also be what is
   * before this one.
   */
  #begin(known: Known, inSteps: boolean): void {
    if (!inSteps) return;
    known.before = [...known.before, ...known.possible];
    known.hadRollout = true;
  }

  /**
   * A response said that the entry exists, or does not: that must be possible, and no other state
   * is any more.
   */
  learn(id: string, isThere: boolean): void {
    const known = this.known(id);
    const left = known.possible.filter((state) => (state !== undefined) === isThere);
    assert.ok(left.length > 0, `${id} is ${isThere ? 'there' : 'not there'}: ${JSON.stringify(known.possible)}`);
    known.possible = left;
  }
}
