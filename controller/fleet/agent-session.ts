import type {
  ConnectResponse,
  Controllers,
  Desired,
  Hello,
  Report,
} from '../../proto/gen/logfleet/v1/agent_service.ts';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { AgentHealth, AgentIdentity, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { invalidArgument } from '../api-error.ts';
import { settingsName } from '../settings/settings-record.ts';
import type { SettingsStore } from '../settings/settings-store.ts';
import { AgentAsks } from './agent-asks.ts';
import type { Claim } from './agent-claims.ts';
import type { Subject } from './agent-query.ts';
import { sharedCapabilities } from './capabilities.ts';
import { ClockSkew } from './clock-skew.ts';
import type { DesiredSet } from './desired-set.ts';
import type { DesiredSets, Subscriber } from './desired-sets.ts';
import { type Furthest, ReportedFiles } from './reported-files.ts';
import type { Told } from './spreading.ts';

const FILES_MAX = 100_000;
const ENTRIES_MAX = 10_000;
/** The last facts of each kind: as many as an agent's full report has. */
const FACTS_KEPT = { loss: 1_000, sealed: 20 } as const;

/** What a session tells its stream. */
export interface SessionStream {
  /** There may be a message. */
  wake(): void;
  /** The session is over. */
  ended(): void;
}

/** What is noted of an entry that is being rolled out, beside what the agent last reported. */
export interface RolloutNote {
  etag: string;
  /** Bytes lost before the agent had this version; undefined when the stream began with it. */
  lostBefore: bigint | undefined;
  /** Since when it has reported the entry as FAILED. */
  failedMs: number | undefined;
}

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
  readonly capabilities: readonly string[];
  readonly #settings: SettingsStore;
  /** The etag of the settings that the agent holds. */
  #toldSettings: string;
  readonly #clock: Clock;
  /** Made when something is asked: there are thousands of agents. */
  #asks: AgentAsks | undefined;
  /** Entries that changed since: latest wins, for it is a set of names. */
  readonly #dirty = new Set<string>();
  readonly #entries = new Map<string, EntryStatus>();
  readonly #notes = new Map<string, RolloutNote>();
  readonly #files = new ReportedFiles();
  readonly #facts = { loss: new Map<string, Fact>(), sealed: new Map<string, Fact>() };
  readonly #skew = new ClockSkew();
  #stream: SessionStream | undefined;
  #unsubscribe: () => void = () => {};
  /** What the agent was told to collect. */
  #told: DesiredSet | undefined;
  #closed = false;
  #controllers: Controllers | undefined;
  health: AgentHealth | undefined;
  lastSeen: Date;
  saidGoodbye = false;

  constructor(
    hello: Hello & { identity: AgentIdentity },
    { sets, settings }: { sets: DesiredSets; settings: SettingsStore },
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
    this.capabilities = sharedCapabilities(hello.capabilities);
    this.#settings = settings;
    this.#toldSettings = hello.appliedSettings;
  }

  get entries(): EntryStatus[] {
    return [...this.#entries.values()].sort((a, b) => (a.entry < b.entry ? -1 : 1));
  }

  /** In no order. */
  get statuses(): Iterable<EntryStatus> {
    return this.#entries.values();
  }

  noteOf(name: string): RolloutNote | undefined {
    return this.#notes.get(name);
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
    const able = { capabilities: this.capabilities, version: this.identity.version };
    this.#asks ??= new AgentAsks(able, this.#clock, () => this.#stream?.wake());
    return this.#asks;
  }

  /** Begins to tell `stream` of what there is for the agent. Once. */
  begin(stream: SessionStream): void {
    this.#stream = stream;
    if (this.#closed) stream.ended();
    else {
      this.#unsubscribe = this.#sets.subscribe(this);
      stream.wake();
    }
  }

  /** Ends the stream. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    this.#asks?.close();
    this.#stream?.ended();
  }

  /** The next message for the agent, undefined when there is none now: first its settings, where it holds others, and the whole desired state, then every change, and questions. */
  next(): ConnectResponse | undefined {
    // First, so that an agent that is new here reads nothing that it is not to read.
    const settings = this.#takeSettings();
    if (settings) return { message: settings };
    if (!this.#told) {
      this.#told = this.#sets.of(this.labels);
      return desiredMessage(this.#told.hash === this.#appliedHash ? this.#told.unchanged() : this.#told.snapshot());
    }
    const step = this.#dirty.size > 0 ? this.#sets.step(this.#told, this.#dirty, this.labels) : undefined;
    this.#dirty.clear();
    if (step) {
      this.#told = step.to;
      return desiredMessage(step.message);
    }
    const message = this.#takeControllers() ?? this.#asks?.next();
    return message && { message };
  }

  /** Latest wins; an agent that holds what there is, mostly nothing, is told nothing. */
  #takeSettings(): ConnectResponse['message'] {
    const { agentId } = this.identity;
    const now = this.#settings.find(agentId);
    const etag = now?.etag ?? '';
    if (etag === this.#toldSettings || !this.capabilities.includes('settings')) return undefined;
    this.#toldSettings = etag;
    return { $case: 'settings', value: now ?? AgentSettings.create({ name: settingsName(agentId) }) };
  }

  #takeControllers(): ConnectResponse['message'] {
    const value = this.#controllers;
    this.#controllers = undefined;
    return value && { $case: 'controllers', value };
  }

  /** Latest wins: of several lists the last one is told. */
  tellControllers(controllers: Controllers): void {
    this.#controllers = controllers;
    this.#stream?.wake();
  }

  settingsChanged(): void {
    this.#stream?.wake();
  }

  entryChanged(name: string): void {
    this.#dirty.add(name);
    this.#stream?.wake();
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
      this.#note(status, this.#entries.get(name));
      this.#entries.set(name, Object.assign(status, { entry: name, etag }));
    }
    for (const status of report.files) this.#files.set(status, this.#sets.shared(status.entry, '').name);
    for (const fact of report.facts) this.#takeFact(fact);
    for (const name of report.removedEntries) {
      this.#entries.delete(name);
      this.#notes.delete(name);
    }
    for (const id of report.removedFiles) this.#files.delete(id);
    if (this.#files.size > FILES_MAX) throw tooMany('report.files', FILES_MAX);
    if (this.#entries.size > ENTRIES_MAX) throw tooMany('report.entries', ENTRIES_MAX);
    this.health = report.health ?? this.health;
    this.lastSeen = now;
    if (report.time) this.#skew.add(report.time.getTime(), now.getTime());
  }

  #note({ entry, etag, state }: EntryStatus, former: EntryStatus | undefined): void {
    const note = this.#notes.get(entry);
    const isFailed = state === 'STATE_FAILED';
    if (!isFailed && !this.#sets.isRolledOut(entry)) {
      this.#notes.delete(entry);
      return;
    }
    const lostBefore = note?.etag === etag ? note.lostBefore : former?.lostBytes;
    const sinceMs = note?.etag === etag ? note.failedMs : undefined;
    const failedMs = isFailed ? (sinceMs ?? this.#clock.monotonicMs()) : undefined;
    this.#notes.set(entry, { etag, lostBefore, failedMs });
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
