import type { ConnectResponse, Desired, Hello, Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { AgentHealth, AgentIdentity, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { desiredHash } from '../../proto/rules/desired-hash.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { invalidArgument } from '../api-error.ts';
import type { EntryStore } from '../entry-store.ts';
import { AgentAsks } from './agent-asks.ts';
import type { Claim } from './agent-claims.ts';

const FILES_MAX = 100_000;
const ENTRIES_MAX = 10_000;
/** The last facts of each kind: as many as an agent's full report has. */
const FACTS_KEPT = { loss: 1_000, sealed: 20 } as const;

/** One agent's stream: what it was told, and what it reported. In memory only. */
export class AgentSession {
  readonly identity: AgentIdentity;
  /** Its hold of the agent's id. */
  readonly claim: Claim;
  readonly connectTime: Date;
  readonly labels: Readonly<Record<string, string>>;
  readonly #store: EntryStore;
  readonly #appliedHash: string;
  readonly #capabilities: readonly string[];
  readonly #clock: Clock;
  /** Made when something is asked: there are thousands of agents. */
  #asks: AgentAsks | undefined;
  /** What the agent was told: etag and uid by name. */
  readonly #told = new Map<string, { name: string; uid: string; etag: string }>();
  /** Entries that changed since: latest wins, for it is a set of names. */
  readonly #dirty = new Set<string>();
  readonly #entries = new Map<string, EntryStatus>();
  readonly #files = new Map<string, FileStatus>();
  readonly #facts = { loss: new Map<string, Fact>(), sealed: new Map<string, Fact>() };
  #wake: (() => void) | undefined;
  #closed = false;
  health: AgentHealth | undefined;
  lastSeen: Date;
  saidGoodbye = false;

  constructor(
    hello: Hello & { identity: AgentIdentity },
    store: EntryStore,
    { claim, now, clock }: { claim: Claim; now: Date; clock: Clock },
  ) {
    this.identity = hello.identity;
    this.claim = claim;
    this.labels = selectorLabels(hello.identity);
    this.#appliedHash = hello.appliedHash;
    this.#store = store;
    this.connectTime = now;
    this.lastSeen = now;
    this.#clock = clock;
    this.#capabilities = hello.capabilities;
  }

  get entries(): EntryStatus[] {
    return [...this.#entries.values()].sort((a, b) => (a.entry < b.entry ? -1 : 1));
  }

  get files(): FileStatus[] {
    return [...this.#files.values()].sort((a, b) => order(a.entry, b.entry) || order(a.path, b.path));
  }

  get facts(): Fact[] {
    return [...this.#facts.loss.values(), ...this.#facts.sealed.values()];
  }

  get fileCount(): number {
    return this.#files.size;
  }

  /** What the agent is asked. */
  get asks(): AgentAsks {
    const able = { capabilities: this.#capabilities, version: this.identity.version };
    this.#asks ??= new AgentAsks(able, this.#clock, () => this.#wake?.());
    return this.#asks;
  }

  /** Ends `messages`, and with them the stream. */
  close(): void {
    this.#closed = true;
    this.#asks?.close();
    this.#wake?.();
  }

  /** The messages for the agent: first the whole desired state, then every change, and questions; one at a time, as fast as it takes them. */
  async *messages(): AsyncGenerator<NonNullable<ConnectResponse['message']>> {
    const unsubscribe = this.#store.onChange(({ name }) => {
      this.#dirty.add(name);
      this.#wake?.();
    });
    try {
      yield { $case: 'desired', value: this.#snapshot() };
      while (!this.#closed) {
        const delta = this.#delta();
        const ask = this.#asks?.next();
        if (delta) yield { $case: 'desired', value: delta };
        if (ask) yield ask;
        if (!delta && !ask)
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      unsubscribe();
    }
  }

  /** Takes a report in; throws INVALID_ARGUMENT for one that makes no sense. */
  take(report: Report, now: Date): void {
    if (report.full) {
      this.#entries.clear();
      this.#files.clear();
      this.#facts.loss.clear();
      this.#facts.sealed.clear();
    }
    for (const status of report.entries) this.#entries.set(status.entry, status);
    for (const status of report.files) this.#files.set(status.id, status);
    for (const fact of report.facts) this.#takeFact(fact);
    for (const name of report.removedEntries) this.#entries.delete(name);
    for (const id of report.removedFiles) this.#files.delete(id);
    if (this.#files.size > FILES_MAX) throw tooMany('report.files', FILES_MAX);
    if (this.#entries.size > ENTRIES_MAX) throw tooMany('report.entries', ENTRIES_MAX);
    this.health = report.health ?? this.health;
    this.lastSeen = now;
  }

  /** The oldest of a kind makes room. One of a kind that this version does not know is left out. */
  #takeFact(fact: Fact): void {
    const kind = fact.kind?.$case;
    if (!kind) return;
    const kept = this.#facts[kind];
    kept.set(fact.id, { ...fact, agent: agentName(this.identity.agentId) });
    const [oldest] = kept.keys();
    if (kept.size > FACTS_KEPT[kind] && oldest !== undefined) kept.delete(oldest);
  }

  #snapshot(): Desired {
    this.#dirty.clear();
    const upserts = this.#store
      .all()
      .filter(({ selector }) => selector.matches(this.labels))
      .map(({ entry }) => entry);
    for (const { name, uid, etag } of upserts) this.#told.set(name, { name, uid, etag });
    const hash = desiredHash(this.#told.values());
    const revision = this.#store.revision;
    if (hash === this.#appliedHash) return { kind: 'KIND_UNCHANGED', upserts: [], removed: [], revision, hash };
    return { kind: 'KIND_SNAPSHOT', upserts, removed: [], revision, hash };
  }

  #delta(): Desired | undefined {
    const upserts: Desired['upserts'] = [];
    const removed: string[] = [];
    for (const name of this.#dirty) {
      const known = this.#store.find(name);
      const told = this.#told.get(name);
      if (known?.selector.matches(this.labels)) {
        if (told?.etag === known.entry.etag) continue;
        upserts.push(known.entry);
        this.#told.set(name, { name, uid: known.entry.uid, etag: known.entry.etag });
      } else if (told) {
        removed.push(name);
        this.#told.delete(name);
      }
    }
    this.#dirty.clear();
    if (upserts.length === 0 && removed.length === 0) return undefined;
    return {
      kind: 'KIND_DELTA',
      upserts,
      removed,
      revision: this.#store.revision,
      hash: desiredHash(this.#told.values()),
    };
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function tooMany(field: string, max: number) {
  return invalidArgument([{ field, description: `the agent reports more than ${max}: collect fewer with one agent` }]);
}
