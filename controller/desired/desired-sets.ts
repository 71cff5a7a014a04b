import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Assignment, Assignments } from './assignments.ts';
import { type DesiredEdit, DesiredSet, type DesiredStep } from './desired-set.ts';
import { LabelIndex } from './label-index.ts';

type Labels = Readonly<Record<string, string>>;

/** Receives changes of its desired set. */
export interface Subscriber {
  readonly labels: Labels;
  /** The entry may have changed for this subscriber. */
  handleEntryChange(name: string): void;
}

/**
 * Subscribers notified in one turn of the event loop. Their messages are sent before the next turn.
 */
const NOTIFIED_PER_TURN = 200;

/**
 * Computes the desired sets of agents, one set for all agents with the same entries. A changed
 * entry notifies only the subscribers that its previous or its present selector may match. An index
 * of their labels finds them.
 */
export class DesiredSets {
  readonly #assignments: Assignments;
  readonly #subscribers = new LabelIndex<Subscriber>();
  /** By hash. Weak, so that a set no agent has is freed. */
  readonly #sets = new Map<string, WeakRef<DesiredSet>>();
  readonly #freed = new FinalizationRegistry<string>((hash) => {
    if (this.#sets.get(hash)?.deref() === undefined) this.#sets.delete(hash);
  });
  /**
   * By everything that distinguishes agents: the values of the labels that selectors use, and the
   * rollout stages they are in. Cleared when an entry changes.
   */
  readonly #byProfile = new Map<string, DesiredSet>();
  /** The labels that selectors use; undefined after an entry has changed. */
  #labelKeys: readonly string[] | undefined;
  #splitAssignments: readonly Assignment[] = [];
  /** The subscribers to notify, by entry. */
  readonly #pending = new Map<string, Set<Subscriber>>();
  #isNotifying = false;

  constructor(assignments: Assignments) {
    this.#assignments = assignments;
    assignments.onChange((name, previous) => this.#handleChange(name, previous));
  }

  /** Notifies `subscriber` of changes. Returns a function that ends the subscription. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Resolves when the desired sets have reached `revision`. Rejects with UNAVAILABLE after 5 s. */
  waitForRevision(revision: bigint): Promise<void> {
    return this.#assignments.waitForRevision(revision);
  }

  /**
   * The desired set of agents with these labels. Throws UNAVAILABLE until etcd has responded once.
   */
  forLabels(labels: Labels): DesiredSet {
    this.#labelKeys ??= this.#readAssignments();
    const inStage = this.#splitAssignments.map(({ split }) => split?.stage.includes(labels));
    const profile = JSON.stringify([...this.#labelKeys.map((key) => labels[key]), ...inStage]);
    const known = this.#byProfile.get(profile);
    if (known) return known;
    const wanted: Entry[] = this.#assignments.all().flatMap((assignment) => assignment.entryFor(labels) ?? []);
    const set = this.#deduplicate(new DesiredSet(wanted, this.#assignments.revision));
    this.#byProfile.set(profile, set);
    return set;
  }

  /**
   * The step from the `sent` set to the present state of these entries; undefined when nothing has
   * changed.
   */
  step(sent: DesiredSet, names: Iterable<string>, labels: Labels): DesiredStep | undefined {
    const edits: DesiredEdit[] = [];
    for (const name of names) {
      const entry = this.#assignments.find(name)?.entryFor(labels);
      if (sent.etag(name) !== entry?.etag) edits.push({ name, entry });
    }
    return edits.length === 0 ? undefined : sent.step(edits, this.#assignments.revision);
  }

  /** The entry's own copies of equal strings, so that ten thousand reports do not keep one each. */
  intern(name: string, etag: string): { name: string; etag: string } {
    const entry = this.#assignments.find(name)?.target.entry;
    return { name: entry?.name ?? name, etag: entry?.etag === etag ? entry.etag : etag };
  }

  /** Whether agents have different versions of an entry. */
  isRolledOut(name: string): boolean {
    return this.#assignments.find(name)?.split !== undefined;
  }

  #readAssignments(): string[] {
    const all = this.#assignments.all();
    this.#splitAssignments = all.filter(({ split }) => split && !split.known.rollout.stage?.everyone);
    return [...new Set(all.flatMap(({ selectors }) => selectors.flatMap(({ keys }) => keys)))];
  }

  #deduplicate(set: DesiredSet): DesiredSet {
    const known = this.#sets.get(set.hash)?.deref();
    if (known) return known;
    this.#sets.set(set.hash, new WeakRef(set));
    this.#freed.register(set, set.hash);
    return set;
  }

  #handleChange(name: string, previous: Assignment | undefined): void {
    this.#labelKeys = undefined;
    this.#byProfile.clear();
    const concerned = this.#pending.get(name) ?? new Set<Subscriber>();
    for (const selector of new Set([previous, this.#assignments.find(name)].flatMap((each) => each?.selectors ?? [])))
      for (const subscriber of this.#subscribers.candidates(selector)) concerned.add(subscriber);
    if (concerned.size === 0) return;
    this.#pending.set(name, concerned);
    if (!this.#isNotifying) void this.#notify();
  }

  /**
   * Notifies in turns, so that the first acknowledgements are read before the last agent is
   * notified.
   */
  async #notify(): Promise<void> {
    this.#isNotifying = true;
    let notified = 0;
    for (const [name, concerned] of this.#pending) {
      this.#pending.delete(name);
      for (const subscriber of concerned) {
        subscriber.handleEntryChange(name);
        if (++notified % NOTIFIED_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    this.#isNotifying = false;
  }
}
