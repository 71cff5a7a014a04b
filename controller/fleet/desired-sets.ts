import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Selector } from '../../proto/rules/selector.ts';
import type { EntryStore } from '../entry-store.ts';
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
  readonly #store: EntryStore;
  readonly #subscribers = new LabelIndex<Subscriber>();
  readonly #selectors = new Map<string, Selector>();
  /** By hash. One that no agent is told any more is made again when it is needed. */
  readonly #sets = new Map<string, WeakRef<DesiredSet>>();
  readonly #finished = new FinalizationRegistry<string>((hash) => {
    if (this.#sets.get(hash)?.deref() === undefined) this.#sets.delete(hash);
  });
  /** By the values of the labels that selectors look at; until an entry changes. */
  readonly #byLabels = new Map<string, DesiredSet>();
  #keys: readonly string[] | undefined;
  /** Who is to be told of which entry. */
  readonly #untold = new Map<string, Set<Subscriber>>();
  #telling = false;

  constructor(store: EntryStore) {
    this.#store = store;
    store.onChange(({ name }) => this.#changed(name));
  }

  /** Tells `subscriber` of changes from now on; returns what ends that. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** What an agent with these labels shall collect now. Throws UNAVAILABLE as long as etcd has never answered. */
  of(labels: Labels): DesiredSet {
    this.#keys ??= [...new Set(this.#store.all().flatMap(({ selector }) => selector.keys))];
    const alike = JSON.stringify(this.#keys.map((key) => labels[key]));
    const known = this.#byLabels.get(alike);
    if (known) return known;
    const wanted: Entry[] = [];
    for (const { entry, selector } of this.#store.all()) if (selector.matches(labels)) wanted.push(entry);
    const set = this.#shared(new DesiredSet(wanted, this.#store.revision));
    this.#byLabels.set(alike, set);
    return set;
  }

  /** The step from what an agent was told to what these entries are by now; undefined when they are as it was told. */
  step(told: DesiredSet, names: Iterable<string>, labels: Labels): DesiredStep | undefined {
    const edits: DesiredEdit[] = [];
    for (const name of names) {
      const known = this.#store.find(name);
      if (known?.selector.matches(labels)) {
        if (told.etagOf(name) !== known.entry.etag) edits.push({ name, entry: known.entry });
      } else if (told.has(name)) edits.push({ name });
    }
    return edits.length === 0 ? undefined : told.step(edits, this.#store.revision);
  }

  /** The same name and etag, as the entry itself has them where it does: ten thousand agents report each, and need not keep a copy. */
  shared(name: string, etag: string): { name: string; etag: string } {
    const entry = this.#store.find(name)?.entry;
    return { name: entry?.name ?? name, etag: entry?.etag === etag ? entry.etag : etag };
  }

  #shared(set: DesiredSet): DesiredSet {
    const known = this.#sets.get(set.hash)?.deref();
    if (known) return known;
    this.#sets.set(set.hash, new WeakRef(set));
    this.#finished.register(set, set.hash);
    return set;
  }

  #changed(name: string): void {
    this.#keys = undefined;
    this.#byLabels.clear();
    const former = this.#selectors.get(name);
    const now = this.#store.find(name)?.selector;
    if (now) this.#selectors.set(name, now);
    else this.#selectors.delete(name);
    const concerned = this.#untold.get(name) ?? new Set<Subscriber>();
    for (const selector of new Set([former, now]))
      if (selector) for (const subscriber of this.#subscribers.candidates(selector)) concerned.add(subscriber);
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
