import type { ConnectResponse, Controllers, Desired, Hello } from '../../proto/gen/logfleet/v1/agent_service.ts';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import type { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { DesiredSets, Subscriber } from '../desired/desired-sets.ts';
import { settingsName } from '../settings/settings-record.ts';
import type { SettingsStore } from '../settings/settings-store.ts';
import { AgentAsks } from './agent-asks.ts';
import type { Claim } from './agent-claims.ts';
import type { Subject } from './agent-query.ts';
import { sharedCapabilities } from './capabilities.ts';
import { ReportedState } from './reported-state.ts';
import type { Told } from './spreading.ts';

/** What a session tells its stream. */
export interface SessionStream {
  /** There may be a message. */
  wake(): void;
  /** The session is over. */
  ended(): void;
}

/** One agent's stream: what it was told, and what it reported. In memory only. */
export class AgentSession extends ReportedState implements Subscriber, Told, Subject {
  readonly liveness = 'LIVENESS_LIVE';
  /** Its hold of the agent's id. */
  readonly claim: Claim;
  readonly connectTime: Date;
  readonly labels: Readonly<Record<string, string>>;
  readonly #appliedHash: string;
  readonly capabilities: readonly string[];
  readonly #settings: SettingsStore;
  /** The etag of the settings that the agent holds. */
  #toldSettings: string;
  readonly #clock: Clock;
  readonly #sets: DesiredSets;
  /** Made when something is asked: there are thousands of agents. */
  #asks: AgentAsks | undefined;
  /** Entries that changed since: latest wins, for it is a set of names. */
  readonly #dirty = new Set<string>();
  #stream: SessionStream | undefined;
  #unsubscribe: () => void = () => {};
  /** What the agent was told to collect. */
  #told: DesiredSet | undefined;
  #closed = false;
  #controllers: Controllers | undefined;
  saidGoodbye = false;

  constructor(
    hello: Hello & { identity: AgentIdentity },
    { sets, settings }: { sets: DesiredSets; settings: SettingsStore },
    { claim, now, clock }: { claim: Claim; now: Date; clock: Clock },
  ) {
    super(hello.identity, { sets, clock, now });
    this.claim = claim;
    this.labels = selectorLabels(hello.identity);
    this.#appliedHash = hello.appliedHash;
    this.#sets = sets;
    this.connectTime = now;
    this.#clock = clock;
    this.capabilities = sharedCapabilities(hello.capabilities);
    this.#settings = settings;
    this.#toldSettings = hello.appliedSettings;
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
}

function desiredMessage(value: Desired): ConnectResponse {
  return { message: { $case: 'desired', value } };
}
