import type {
  ConnectResponse,
  Controllers,
  Desired,
  Hello,
  Report,
} from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { AgentHealth, AgentIdentity, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { invalidArgument } from '../api-error.ts';
import { AgentAsks } from './agent-asks.ts';
import type { Claim } from './agent-claims.ts';
import type { Subject } from './agent-query.ts';
import { ClockSkew } from './clock-skew.ts';
import type { DesiredSet } from './desired-set.ts';
import type { DesiredSets, Subscriber } from './desired-sets.ts';
import { type Furthest, ReportedFiles } from './reported-files.ts';
import type { Told } from './spreading.ts';

const FILES_MAX = 100_000;
const ENTRIES_MAX = 10_000;
/** The last facts of each kind: as many as an agent's full report has. */
const FACTS_KEPT = { loss: 1_000, sealed: 20 } as const;

/** One agent's stream: what it was told, and what it reported. In memory only. */
export class AgentSession implements Subscriber, Told, Subject {
  readonly liveness = 'LIVENESS_LIVE';
  readonly identity: AgentIdentity;
  /** Its hold of the agent's id. */
  readonly claim: Claim;
  readonly connectTime: Date;
  readonly labels: Readonly<Record<string, string>>;
  readonly #sets: DesiredSets;
  readonly #appliedHash: string;
  readonly #capabilities: readonly string[];
  readonly #clock: Clock;
  /** Made when something is asked: there are thousands of agents. */
  #asks: AgentAsks | undefined;
  /** Entries that changed since: latest wins, for it is a set of names. */
  readonly #dirty = new Set<string>();
  readonly #entries = new Map<string, EntryStatus>();
  readonly #files = new ReportedFiles();
  readonly #facts = { loss: new Map<string, Fact>(), sealed: new Map<string, Fact>() };
  readonly #skew = new ClockSkew();
  #wake: (() => void) | undefined;
  #closed = false;
  #controllers: Controllers | undefined;
  health: AgentHealth | undefined;
  lastSeen: Date;
  saidGoodbye = false;

  constructor(
    hello: Hello & { identity: AgentIdentity },
    sets: DesiredSets,
    { claim, now, clock }: { claim: Claim; now: Date; clock: Clock },
  ) {
    this.identity = hello.identity;
    this.claim = claim;
    this.labels = selectorLabels(hello.identity);
    this.#appliedHash = hello.appliedHash;
    this.#sets = sets;
    this.connectTime = now;
    this.lastSeen = now;
    this.#clock = clock;
    this.#capabilities = hello.capabilities;
  }

  get entries(): EntryStatus[] {
    return [...this.#entries.values()].sort((a, b) => (a.entry < b.entry ? -1 : 1));
  }

  /** In no order. */
  get statuses(): Iterable<EntryStatus> {
    return this.#entries.values();
  }

  statusOf(entry: string): EntryStatus | undefined {
    return this.#entries.get(entry);
  }

  /** The path of an entry's file that has most of something; empty when none has any. */
  furthestFile(entry: string, by: (file: Furthest) => number): string {
    return this.#files.furthest(entry, by);
  }

  /** By how much the agent's clock is ahead. */
  get clockSkewMs(): number {
    return this.#skew.ms;
  }

  get files(): FileStatus[] {
    return this.#files.all();
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
  async *messages(): AsyncGenerator<ConnectResponse> {
    const unsubscribe = this.#sets.subscribe(this);
    try {
      let told: DesiredSet = this.#sets.of(this.labels);
      yield desiredMessage(told.hash === this.#appliedHash ? told.unchanged() : told.snapshot());
      while (!this.#closed) {
        const step = this.#dirty.size > 0 ? this.#sets.step(told, this.#dirty, this.labels) : undefined;
        this.#dirty.clear();
        if (step) {
          told = step.to;
          yield desiredMessage(step.message);
          continue;
        }
        const message = this.#takeControllers() ?? this.#asks?.next();
        if (message) yield { message };
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      unsubscribe();
    }
  }

  #takeControllers(): ConnectResponse['message'] {
    const value = this.#controllers;
    this.#controllers = undefined;
    return value && { $case: 'controllers', value };
  }

  /** Latest wins: of several lists the last one is told. */
  tellControllers(controllers: Controllers): void {
    this.#controllers = controllers;
    this.#wake?.();
  }

  entryChanged(name: string): void {
    this.#dirty.add(name);
    this.#wake?.();
  }

  /** Takes a report in; throws INVALID_ARGUMENT for one that makes no sense. */
  take(report: Report, now: Date): void {
    if (report.full) {
      this.#entries.clear();
      this.#files.clear();
      this.#facts.loss.clear();
      this.#facts.sealed.clear();
    }
    for (const status of report.entries) {
      const { name, etag } = this.#sets.shared(status.entry, status.etag);
      this.#entries.set(name, Object.assign(status, { entry: name, etag }));
    }
    for (const status of report.files) this.#files.set(status, this.#sets.shared(status.entry, '').name);
    for (const fact of report.facts) this.#takeFact(fact);
    for (const name of report.removedEntries) this.#entries.delete(name);
    for (const id of report.removedFiles) this.#files.delete(id);
    if (this.#files.size > FILES_MAX) throw tooMany('report.files', FILES_MAX);
    if (this.#entries.size > ENTRIES_MAX) throw tooMany('report.entries', ENTRIES_MAX);
    this.health = report.health ?? this.health;
    this.lastSeen = now;
    if (report.time) this.#skew.add(report.time.getTime(), now.getTime());
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
}

function desiredMessage(value: Desired): ConnectResponse {
  return { message: { $case: 'desired', value } };
}

function tooMany(field: string, max: number) {
  return invalidArgument([{ field, description: `the agent reports more than ${max}: collect fewer with one agent` }]);
}
