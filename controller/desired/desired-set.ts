import assert from 'node:assert/strict';
import type { Desired } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { desiredHash } from '../../proto/rules/desired-hash.ts';

/** A change of a desired set, shared by all agents that make it. */
export interface DesiredStep {
  readonly to: DesiredSet;
  readonly message: Desired;
}

/** The change of one entry. Without `entry` it is removed. */
export interface DesiredEdit {
  name: string;
  entry?: Entry | undefined;
}

/**
 * The entries that a group of agents collects: the desired state of each of them. A set and its
 * messages are immutable and shared by up to ten thousand agents. The hash is computed once, and
 * `encodeOnce` (rpc/agent-definition.ts) serializes each message once.
 */
export class DesiredSet {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #revision: bigint;
  /** Steps to later sets. They live as long as an agent has this set. */
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

  etag(name: string): string | undefined {
    return this.#entries.get(name)?.etag;
  }

  /** All entries, for an agent that has another set. */
  snapshot(): Desired {
    this.#snapshot ??= {
      ...{ kind: 'KIND_SNAPSHOT', upserts: [...this.#entries.values()], removed: [] },
      ...{ revision: this.#revision, hash: this.hash },
    };
    return this.#snapshot;
  }

  /** For an agent that has this set already. */
  unchanged(): Desired {
    return { kind: 'KIND_UNCHANGED', upserts: [], removed: [], revision: this.#revision, hash: this.hash };
  }

  /** The step that makes these edits. Each of them must change the set. */
  step(edits: readonly DesiredEdit[], revision: bigint): DesiredStep {
    const key = edits.map(({ name, entry }) => `${name}@${entry?.etag ?? ''}`).join(' ');
    const known = this.#steps.get(key);
    if (known) return known;
    const entries = new Map(this.#entries);
    for (const { name, entry } of edits) {
      assert.notEqual(this.etag(name), entry?.etag, `an edit of ${name} changes nothing`);
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
