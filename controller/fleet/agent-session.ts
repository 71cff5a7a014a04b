import type { ConnectResponse, Controllers, Desired, Hello } from '../../proto/gen/logfleet/v1/agent_service.ts';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import type { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { desiredHash } from '../../proto/rules/desired-hash.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { DesiredSets, Subscriber } from '../desired/desired-sets.ts';
import { settingsName } from '../settings/settings-record.ts';
import type { SettingsRepository } from '../settings/settings-repository.ts';
import type { Claim } from './agent-claims.ts';
import { AgentRequests } from './agent-requests.ts';
import { sharedCapabilities } from './capabilities.ts';
import type { FleetMarker } from './fleet-marker.ts';
import { ReportedState } from './reported-state.ts';

const NO_ENTRIES_HASH = desiredHash([]);
const LOST_ENTRIES =
  'etcd has no entries and never had any, but the agent collects some, and continues: restore etcd, correct etcd.prefix, or apply the entries that are to replace them';

/** What a session calls on its stream. */
export interface SessionStream {
  /** There may be a message to send. */
  wake(): void;
  /** The session has ended. */
  handleEnd(): void;
}

/**
 * One agent's stream: what is to be sent to the agent, and what it has reported. It is kept in
 * memory only. A session keeps no queue of messages but the state to send: of several changes the
 * agent gets the latest.
 */
export class AgentSession implements Subscriber {
  readonly identity: AgentIdentity;
  readonly claim: Claim;
  readonly connectTime: Date;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  readonly reported: ReportedState;
  readonly #desired: DesiredSets;
  readonly #settings: SettingsRepository;
  readonly #marker: FleetMarker;
  readonly #clock: Clock;
  /** The hash of the desired state that the agent had when it connected. */
  readonly #appliedHash: string;
  /** The etag of the settings that the agent has. */
  #sentSettings: string;
  /** The desired set that was last sent. */
  #sentSet: DesiredSet | undefined;
  /** Names of entries that may have changed since. */
  readonly #changedEntries = new Set<string>();
  /** The list of controllers to send. */
  #controllers: Controllers | undefined;
  /** Created on first use: most agents never get a request. */
  #requests: AgentRequests | undefined;
  #stream: SessionStream | undefined;
  #unsubscribe: () => void = () => {};
  #isClosed = false;
  #isStopped = false;

  constructor(
    hello: Hello & { identity: AgentIdentity },
    { desired, settings, marker }: { desired: DesiredSets; settings: SettingsRepository; marker: FleetMarker },
    { claim, now, clock }: { claim: Claim; now: Date; clock: Clock },
  ) {
    this.identity = hello.identity;
    this.claim = claim;
    this.connectTime = now;
    this.labels = selectorLabels(hello.identity);
    this.capabilities = sharedCapabilities(hello.capabilities);
    this.reported = new ReportedState(hello.identity.agentId, { desired, clock, now });
    this.#desired = desired;
    this.#settings = settings;
    this.#marker = marker;
    this.#clock = clock;
    this.#appliedHash = hello.appliedHash;
    this.#sentSettings = hello.appliedSettings;
  }

  get agentId(): string {
    return this.identity.agentId;
  }

  /** Whether the agent said goodbye: it stops, and does not just reconnect. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Why the agent is not sent its desired state; empty when it is. */
  get error(): string {
    const hash = this.#sentSet?.hash ?? this.#appliedHash;
    return this.#marker.isBlank && hash !== '' && hash !== NO_ENTRIES_HASH ? LOST_ENTRIES : '';
  }

  /** The requests to the agent. */
  get requests(): AgentRequests {
    const { version } = this.identity;
    const agent = { capabilities: this.capabilities, version };
    this.#requests ??= new AgentRequests(agent, this.#clock, () => this.#stream?.wake());
    return this.#requests;
  }

  /** Begins to wake `stream` for messages. Call it once. */
  begin(stream: SessionStream): void {
    this.#stream = stream;
    if (this.#isClosed) stream.handleEnd();
    else {
      this.#unsubscribe = this.#desired.subscribe(this);
      stream.wake();
    }
  }

  /** Ends the session and its stream. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unsubscribe();
    this.#requests?.close();
    this.#stream?.handleEnd();
  }

  /**
   * The next message for the agent; undefined when there is none now. The first is the settings, if
   * the agent has others. Then the whole desired state, then its changes, and requests in between.
   */
  next(): ConnectResponse | undefined {
    const state = this.error === '' ? this.#takeState() : undefined;
    const message = state ?? this.#takeControllers() ?? this.#requests?.next();
    return message && { message };
  }

  /** Sends a list of controllers. Of several unsent lists the last one is sent. */
  sendControllers(controllers: Controllers): void {
    this.#controllers = controllers;
    this.#stream?.wake();
  }

  handleSettingsChange(): void {
    this.#stream?.wake();
  }

  handleMarkerChange(): void {
    this.#stream?.wake();
  }

  handleEntryChange(name: string): void {
    this.#changedEntries.add(name);
    this.#stream?.wake();
  }

  handleGoodbye(): void {
    this.#isStopped = true;
  }

  #takeState(): ConnectResponse['message'] {
    // Settings come first: a paused agent must not read a line before it knows that it is paused.
    const settings = this.#takeSettings();
    if (settings) return settings;
    const desired = this.#takeDesired();
    return desired && { $case: 'desired', value: desired };
  }

  #takeDesired(): Desired | undefined {
    if (!this.#sentSet) {
      this.#sentSet = this.#desired.forLabels(this.labels);
      const isApplied = this.#sentSet.hash === this.#appliedHash;
      return isApplied ? this.#sentSet.unchanged() : this.#sentSet.snapshot();
    }
    const isChanged = this.#changedEntries.size > 0;
    const step = isChanged ? this.#desired.step(this.#sentSet, this.#changedEntries, this.labels) : undefined;
    this.#changedEntries.clear();
    if (step) this.#sentSet = step.to;
    return step?.message;
  }

  /** Undefined when the agent has the present settings. Mostly there are none. */
  #takeSettings(): ConnectResponse['message'] {
    const present = this.#settings.find(this.agentId);
    const etag = present?.etag ?? '';
    if (etag === this.#sentSettings || !this.capabilities.includes('settings')) return undefined;
    this.#sentSettings = etag;
    return { $case: 'settings', value: present ?? AgentSettings.create({ name: settingsName(this.agentId) }) };
  }

  #takeControllers(): ConnectResponse['message'] {
    const value = this.#controllers;
    this.#controllers = undefined;
    return value && { $case: 'controllers', value };
  }
}
