import type { Desired } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { desiredHash } from '../../proto/rules/desired-hash.ts';

/** A change of a desired state, for all agents that make it. */
export interface DesiredStep {
  readonly to: DesiredSet;
  readonly message: Desired;
}

/** One entry's part in a change; without an entry it is no longer wanted. */
export interface DesiredEdit {
  name: string;
  entry?: Entry | undefined;
}

/**
 * What all agents with the same entries shall collect. It is never changed, and neither are its messages: ten thousand agents share one,
 * its hash is computed once, and `encodeOnce` serializes each message once.
 */
export class DesiredSet {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #revision: bigint;
  /** Kept as long as somebody is told this set, so at most until its agents have made the step. */
  readonly #steps = new Map<string, DesiredStep>();
  readonly hash: string;
  #snapshot: Desired | undefined;

  constructor(entries: readonly Entry[], revision: bigint) {
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    this.#revision = revision;
    this.hash = desiredHash(entries);
  }

  get names(): Iterable<string> {
    return this.#entries.keys();
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  etagOf(name: string): string | undefined {
    return this.#entries.get(name)?.etag;
  }

  /** The whole of it, for an agent that holds something else. */
  snapshot(): Desired {
    this.#snapshot ??= {
      ...{ kind: 'KIND_SNAPSHOT', upserts: [...this.#entries.values()], removed: [] },
      ...{ revision: this.#revision, hash: this.hash },
    };
    return this.#snapshot;
  }

  unchanged(): Desired {
    return { kind: 'KIND_UNCHANGED', upserts: [], removed: [], revision: this.#revision, hash: this.hash };
  }

  /** What these edits, each of which changes something, make of it. */
  step(edits: readonly DesiredEdit[], revision: bigint): DesiredStep {
    const key = edits.map(({ name, entry }) => `${name}@${entry?.etag ?? ''}`).join(' ');
    const known = this.#steps.get(key);
    if (known) return known;
    const entries = new Map(this.#entries);
    for (const { name, entry } of edits) {
      if (entry) entries.set(name, entry);
      else entries.delete(name);
    }
    const to = new DesiredSet([...entries.values()], revision);
    const upserts = edits.flatMap(({ entry }) => entry ?? []);
    const removed = edits.filter(({ entry }) => entry === undefined).map(({ name }) => name);
    const step: DesiredStep = { to, message: { kind: 'KIND_DELTA', upserts, removed, revision, hash: to.hash } };
    this.#steps.set(key, step);
    return step;
  }
}
