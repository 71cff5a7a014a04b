import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { parseSelector, type Selector } from '../../proto/rules/selector.ts';
import type { EntryStore, KnownEntry } from '../entries/entry-store.ts';
import { governing, isActive, type KnownRollout } from '../entries/rollout-record.ts';
import type { RolloutView } from '../entries/rollout-view.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { type StageTest, stageTest } from './stage.ts';

type Labels = Readonly<Record<string, string>>;

/** A version of an entry, and whom it means. */
export interface Choice {
  entry: Entry;
  selector: Selector;
}

/** An entry that is being rolled out. */
export interface Split {
  known: KnownRollout;
  /** Undefined: who is not in the stage has nothing. */
  from: Choice | undefined;
  stage: StageTest;
}

/** Which version of an entry each agent is given. Never changed: there is another one when it changes. */
export class Assignment {
  readonly target: Choice;
  /** Undefined: everybody is given the target. */
  readonly split: Split | undefined;

  constructor(target: Choice, split: Split | undefined) {
    this.target = target;
    this.split = split;
  }

  get name(): string {
    return this.target.entry.name;
  }

  get selectors(): Selector[] {
    return [this.target.selector, ...(this.split?.from ? [this.split.from.selector] : [])];
  }

  /** What an agent with these labels shall collect of the entry. */
  entryFor(labels: Labels): Entry | undefined {
    const choice = !this.split || this.split.stage.isIn(labels) ? this.target : this.split.from;
    return choice?.selector.matches(labels) ? choice.entry : undefined;
  }

  /** Whether the target changes something for an agent: it is given it, or loses what it has. */
  concerns(labels: Labels): boolean {
    return this.selectors.some((selector) => selector.matches(labels));
  }
}

/**
 * Which version of each entry which agents are given. It changes only when the mirror has settled: an entry and its rollout are written by
 * one transaction, and between the two keys nobody may be told anything, or all agents would have a version that is meant for a few.
 * An entry whose rollout is not there at that point, or is not about this version of it, goes to all.
 */
export class Assignments {
  readonly #store: EntryStore;
  readonly #rollouts: RolloutView;
  readonly #assigned = new Map<string, Assignment>();
  readonly #unsettled = new Set<string>();
  readonly #listeners: ((name: string, former: Assignment | undefined) => void)[] = [];

  constructor(mirror: EtcdMirror, store: EntryStore, rollouts: RolloutView) {
    this.#store = store;
    this.#rollouts = rollouts;
    store.onChange(({ name }) => this.#unsettled.add(name));
    rollouts.onChange((name) => this.#unsettled.add(name));
    mirror.onSettled(() => this.#settle());
  }

  find(name: string): Assignment | undefined {
    return this.#assigned.get(name);
  }

  /** In the order of the names. Throws UNAVAILABLE as long as etcd has never answered. */
  all(): Assignment[] {
    this.#store.requireView();
    return [...this.#assigned.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The revision that they are at, or a later one. */
  get revision(): bigint {
    return this.#store.revision;
  }

  /** Resolves when they are at `revision`; rejects with UNAVAILABLE when that takes too long. */
  reaches(revision: bigint): Promise<void> {
    return this.#store.reaches(revision);
  }

  /** Calls `listener` with the name of each entry that is given to others, or is another, and with what it was. */
  onChange(listener: (name: string, former: Assignment | undefined) => void): void {
    this.#listeners.push(listener);
  }

  #settle(): void {
    for (const name of this.#unsettled) {
      this.#unsettled.delete(name);
      const former = this.#assigned.get(name);
      const entry = this.#store.find(name);
      if (!entry && !former) continue;
      const next = entry && this.#assign(entry);
      if (next) this.#assigned.set(name, next);
      else this.#assigned.delete(name);
      if (!isSame(former, next)) for (const listener of this.#listeners) listener(name, former);
    }
  }

  #assign({ entry, selector, stored, rollout }: KnownEntry): Assignment {
    const known = governing(this.#rollouts.get(rollout), stored.revision);
    const target = { entry, selector };
    if (!known || !isActive(known.rollout)) return new Assignment(target, undefined);
    const { from } = known.rollout;
    const former = from && { entry: from, selector: parseSelector(from.selector) };
    return new Assignment(target, { known, from: former, stage: stageTest(known.rollout) });
  }
}

/** Whether every agent is given the same by both: a rollout changes more often than its stage. */
function isSame(a: Assignment | undefined, b: Assignment | undefined): boolean {
  if (a?.target.entry.etag !== b?.target.entry.etag) return false;
  return stageText(a) === stageText(b);
}

function stageText(assignment: Assignment | undefined): string {
  const { id, stage } = assignment?.split?.known.rollout ?? {};
  if (id === undefined || stage?.everyone) return 'everyone';
  return [id, stage?.threshold ?? 0n, ...(stage?.selectors ?? [])].join('\n');
}
