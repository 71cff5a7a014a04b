import assert from 'node:assert/strict';

/** What an entry may be; undefined: there is none. The owner is another one with each write. */
export type EntryState = { owner: string; selector: string } | undefined;

/** What is known of one name. */
interface Known {
  /** What it may be now: one state, and those of writes since that were answered with UNAVAILABLE. */
  possible: EntryState[];
  /** Every acknowledged write that left an entry, by the revision that was answered. */
  readonly acknowledged: Map<string, EntryState>;
  /** What an undo may bring back; empty: no version of it is going out in steps. */
  before: EntryState[];
  /** One has gone out in steps. */
  hadRollout: boolean;
}

/** What should be so, as far as answers tell. All runs and is connected at first. */
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

  /** `etag`: empty for a deletion. `inSteps`: it goes out by a plan. */
  acknowledge(id: string, state: EntryState, etag: string, inSteps: boolean): void {
    const known = this.known(id);
    this.#begin(known, inSteps);
    if (!inSteps) known.before = [];
    known.possible = [state];
    if (state) known.acknowledged.set(etag, state);
  }

  /** Nobody knows whether it was written. */
  doubt(id: string, state: EntryState, inSteps: boolean): void {
    const known = this.known(id);
    this.#begin(known, inSteps);
    known.possible.push(state);
  }

  /** It was refused, for a version is going out in steps: then one must be. */
  isRolledOut(id: string): void {
    assert.ok(this.known(id).before.length > 0, `${id} is said to be rolled out`);
  }

  /** A rollout was undone, by a write at `revision`; undefined: nobody knows whether it was. */
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

  /** Whether an agent may be given an older version of it than it had. */
  mayGoBack(id: string): boolean {
    return this.known(id).hadRollout;
  }

  /** The former one may be complete by now, or not: then what was before it, too, may be what is before this one. */
  #begin(known: Known, inSteps: boolean): void {
    if (!inSteps) return;
    known.before = [...known.before, ...known.possible];
    known.hadRollout = true;
  }

  /** It was answered that the entry is there, or is not: then that must be possible, and nothing else is any more. */
  learn(id: string, isThere: boolean): void {
    const known = this.known(id);
    const left = known.possible.filter((state) => (state !== undefined) === isThere);
    assert.ok(left.length > 0, `${id} is ${isThere ? 'there' : 'not there'}: ${JSON.stringify(known.possible)}`);
    known.possible = left;
  }
}
