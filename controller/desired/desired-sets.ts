import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Assignment, Assignments } from './assignments.ts';
import { type DesiredEdit, DesiredSet, type DesiredStep } from './desired-set.ts';
import { LabelIndex } from './label-index.ts';

type Labels = Readonly<Record<string, string>>;

/** Whoever is told a desired state. */
export interface Subscriber {
  readonly labels: Labels;
  /** This entry may have changed for it. */
  entryChanged(name: string): void;
}

/** So many subscribers are told before others get a turn: their messages are made meanwhile. */
const TOLD_AT_ONCE = 200;

/**
 * What the agents shall collect, worked out once for all that have the same entries. A change is told only to those whom the entry's
 * selector, as it was or as it is, may match: an index of the labels finds them.
 */
export class DesiredSets {
  readonly #assignments: Assignments;
  readonly #subscribers = new LabelIndex<Subscriber>();
  /** By hash. One that no agent is told any more is made again when it is needed. */
  readonly #sets = new Map<string, WeakRef<DesiredSet>>();
  readonly #finished = new FinalizationRegistry<string>((hash) => {
    if (this.#sets.get(hash)?.deref() === undefined) this.#sets.delete(hash);
  });
  /** By what tells agents apart: the values of the labels that selectors look at, and who is in which rollout; until an entry changes. */
  readonly #alike = new Map<string, DesiredSet>();
  #keys: readonly string[] | undefined;
  #rolledOut: readonly Assignment[] = [];
  /** Who is to be told of which entry. */
  readonly #untold = new Map<string, Set<Subscriber>>();
  #telling = false;

  constructor(assignments: Assignments) {
    this.#assignments = assignments;
    assignments.onChange((name, former) => this.#changed(name, former));
  }

  /** Tells `subscriber` of changes from now on; returns what ends that. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** What an agent with these labels shall collect now. Throws UNAVAILABLE as long as etcd has never answered. */
  of(labels: Labels): DesiredSet {
    this.#keys ??= this.#lookAtAll();
    const inStage = this.#rolledOut.map(({ split }) => split?.stage.isIn(labels));
    const alike = JSON.stringify([...this.#keys.map((key) => labels[key]), ...inStage]);
    const known = this.#alike.get(alike);
    if (known) return known;
    const wanted: Entry[] = this.#assignments.all().flatMap((assignment) => assignment.entryFor(labels) ?? []);
    const set = this.#shared(new DesiredSet(wanted, this.#assignments.revision));
    this.#alike.set(alike, set);
    return set;
  }

  /** The step from what an agent was told to what these entries are by now; undefined when they are as it was told. */
  step(told: DesiredSet, names: Iterable<string>, labels: Labels): DesiredStep | undefined {
    const edits: DesiredEdit[] = [];
    for (const name of names) {
      const entry = this.#assignments.find(name)?.entryFor(labels);
      if (told.etagOf(name) !== entry?.etag) edits.push({ name, entry });
    }
    return edits.length === 0 ? undefined : told.step(edits, this.#assignments.revision);
  }

  /** The same name and etag, as the entry itself has them where it does: ten thousand agents report each, and need not keep a copy. */
  shared(name: string, etag: string): { name: string; etag: string } {
    const entry = this.#assignments.find(name)?.target.entry;
    return { name: entry?.name ?? name, etag: entry?.etag === etag ? entry.etag : etag };
  }

  /** Whether agents are given different versions of an entry. */
  isRolledOut(name: string): boolean {
    return this.#assignments.find(name)?.split !== undefined;
  }

  #lookAtAll(): string[] {
    const all = this.#assignments.all();
    this.#rolledOut = all.filter(({ split }) => split && !split.known.rollout.stage?.everyone);
    return [...new Set(all.flatMap(({ selectors }) => selectors.flatMap(({ keys }) => keys)))];
  }

  #shared(set: DesiredSet): DesiredSet {
    const known = this.#sets.get(set.hash)?.deref();
    if (known) return known;
    this.#sets.set(set.hash, new WeakRef(set));
    this.#finished.register(set, set.hash);
    return set;
  }

  #changed(name: string, former: Assignment | undefined): void {
    this.#keys = undefined;
    this.#alike.clear();
    const concerned = this.#untold.get(name) ?? new Set<Subscriber>();
    for (const selector of new Set([former, this.#assignments.find(name)].flatMap((each) => each?.selectors ?? [])))
      for (const subscriber of this.#subscribers.candidates(selector)) concerned.add(subscriber);
    if (concerned.size === 0) return;
    this.#untold.set(name, concerned);
    if (!this.#telling) void this.#tell();
  }

  /** In turns, so that the first acknowledgements are read while the last agents are being told. */
  async #tell(): Promise<void> {
    this.#telling = true;
    let told = 0;
    for (const [name, concerned] of this.#untold) {
      this.#untold.delete(name);
      for (const subscriber of concerned) {
        subscriber.entryChanged(name);
        if (++told % TOLD_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    this.#telling = false;
  }
}
