import assert from 'node:assert/strict';

/** What an entry may be; undefined: there is none. The owner is another one with each write. */
export type EntryState = { owner: string; selector: string } | undefined;

/** What is known of one name. */
interface Known {
  /** What it may be now: one state, and those of writes since that were answered with UNAVAILABLE. */
  possible: EntryState[];
  /** Every acknowledged write that left an entry, by the revision that was answered. */
  readonly acknowledged: Map<string, EntryState>;
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
    const known = this.#entries.get(id) ?? { possible: [undefined], acknowledged: new Map() };
    this.#entries.set(id, known);
    return known;
  }

  /** `etag`: empty for a deletion. */
  acknowledge(id: string, state: EntryState, etag: string): void {
    const known = this.known(id);
    known.possible = [state];
    if (state) known.acknowledged.set(etag, state);
  }

  /** Nobody knows whether it was written. */
  doubt(id: string, state: EntryState): void {
    this.known(id).possible.push(state);
  }

  /** It was answered that the entry is there, or is not: then that must be possible, and nothing else is any more. */
  learn(id: string, isThere: boolean): void {
    const known = this.known(id);
    const left = known.possible.filter((state) => (state !== undefined) === isThere);
    assert.ok(left.length > 0, `${id} is ${isThere ? 'there' : 'not there'}: ${JSON.stringify(known.possible)}`);
    known.possible = left;
  }
}
