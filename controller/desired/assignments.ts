import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { parseSelector, type Selector } from '../../proto/rules/selector.ts';
import type { EntryView, KnownEntry } from '../entries/entry-view.ts';
import { currentRollout, isActive, type KnownRollout } from '../entries/rollout-record.ts';
import type { RolloutRepository } from '../entries/rollout-repository.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { type StageTest, stageTest } from './stage.ts';

type Labels = Readonly<Record<string, string>>;

/** A version of an entry, its selector parsed. */
export interface EntryChoice {
  entry: Entry;
  selector: Selector;
}

/** A rollout that gives agents different versions of an entry. */
export interface RolloutSplit {
  known: KnownRollout;
  /** The version for agents outside the stage; undefined: they have none. */
  previous: EntryChoice | undefined;
  stage: StageTest;
}

/** Which version of an entry each agent is assigned. Immutable: a change makes a new assignment. */
export class Assignment {
  readonly target: EntryChoice;
  /** Undefined: every agent is assigned the target. */
  readonly split: RolloutSplit | undefined;

  constructor(target: EntryChoice, split: RolloutSplit | undefined) {
    this.target = target;
    this.split = split;
  }

  get name(): string {
    return this.target.entry.name;
  }

  get selectors(): Selector[] {
    return [this.target.selector, ...(this.split?.previous ? [this.split.previous.selector] : [])];
  }

  /**
   * The version that an agent with these labels collects; undefined: it does not collect the entry.
   */
  entryFor(labels: Labels): Entry | undefined {
    const choice = !this.split || this.split.stage.includes(labels) ? this.target : this.split.previous;
    return choice?.selector.matches(labels) ? choice.entry : undefined;
  }

  /**
   * Whether the target changes anything for an agent: it gets the version, or loses the one it has.
   */
  concerns(labels: Labels): boolean {
    return this.selectors.some((selector) => selector.matches(labels));
  }
}

/**
 * Which version of each entry each agent is assigned. It changes only when the mirror is
 * consistent. One transaction writes an entry and its rollout. If agents learned of the entry
 * before its rollout, all of them would get a version that is meant for a few. An entry without a
 * rollout, or with one of another version, is assigned to every agent that its selector matches.
 */
export class Assignments {
  readonly #entries: EntryView;
  readonly #rollouts: RolloutRepository;
  readonly #assigned = new Map<string, Assignment>();
  /** Names of entries that have changed since the mirror was last consistent. */
  readonly #pending = new Set<string>();
  readonly #listeners: ((name: string, previous: Assignment | undefined) => void)[] = [];

  constructor(mirror: EtcdMirror, entries: EntryView, rollouts: RolloutRepository) {
    this.#entries = entries;
    this.#rollouts = rollouts;
    entries.onChange(({ name }) => this.#pending.add(name));
    rollouts.onChange((name) => this.#pending.add(name));
    mirror.onConsistent(() => this.#assignPending());
  }

  find(name: string): Assignment | undefined {
    return this.#assigned.get(name);
  }

  /** Every assignment, sorted by name. Throws UNAVAILABLE until etcd has responded once. */
  all(): Assignment[] {
    this.#entries.requireList();
    return [...this.#assigned.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The revision that they have reached, or a later one. */
  get revision(): bigint {
    return this.#entries.revision;
  }

  /** Resolves when the assignments have reached `revision`. Rejects with UNAVAILABLE after 5 s. */
  waitForRevision(revision: bigint): Promise<void> {
    return this.#entries.waitForRevision(revision);
  }

  /**
   * Calls `listener` after each change that concerns agents, with the entry's name and previous
   * assignment.
   */
  onChange(listener: (name: string, previous: Assignment | undefined) => void): void {
    this.#listeners.push(listener);
  }

  #assignPending(): void {
    for (const name of this.#pending) {
      this.#pending.delete(name);
      const previous = this.#assigned.get(name);
      const entry = this.#entries.find(name);
      if (!entry && !previous) continue;
      const next = entry && this.#assign(entry);
      if (next) this.#assigned.set(name, next);
      else this.#assigned.delete(name);
      if (!areEquivalent(previous, next)) for (const listener of this.#listeners) listener(name, previous);
    }
  }

  #assign({ entry, selector, stored, rollout }: KnownEntry): Assignment {
    const known = currentRollout(this.#rollouts.get(rollout), stored.revision);
    const target = { entry, selector };
    if (!known || !isActive(known.rollout)) return new Assignment(target, undefined);
    const { from } = known.rollout;
    const previous = from && { entry: from, selector: parseSelector(from.selector) };
    return new Assignment(target, { known, previous, stage: stageTest(known.rollout) });
  }
}

/**
 * Whether both assign the same to every agent. Most writes of a rollout do not change its stage.
 */
function areEquivalent(a: Assignment | undefined, b: Assignment | undefined): boolean {
  if (a?.target.entry.etag !== b?.target.entry.etag) return false;
  return stageText(a) === stageText(b);
}

function stageText(assignment: Assignment | undefined): string {
  const { id, stage } = assignment?.split?.known.rollout ?? {};
  if (id === undefined || stage?.everyone) return 'everyone';
  return [id, stage?.threshold ?? 0n, ...(stage?.selectors ?? [])].join('\n');
}
