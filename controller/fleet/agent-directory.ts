import type { Agent, AgentHealth, AgentIdentity, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Selector } from '../../proto/rules/selector.ts';
import { type AgentSubject, agentSubject } from './agent-query.ts';
import type { AgentRecord } from './agent-record.ts';
import type { AgentRegistry } from './agent-registry.ts';
import type { AgentSession } from './agent-session.ts';
import type { ConnectedAgents } from './connected-agents.ts';
import { describeRecord, describeSession } from './describe-agent.ts';
import type { Presence } from './presence.ts';
import { indexAfter } from './sorted-ids.ts';

/**
 * What this controller knows of one agent: from its session if it is connected here, otherwise from
 * etcd. Use it at once: it reads the present state, and agents come and go.
 */
export class KnownAgent implements AgentSubject {
  readonly id: string;
  /** Undefined unless the agent is connected to this controller. */
  readonly session: AgentSession | undefined;
  readonly #record: AgentRecord | undefined;
  readonly #context: { registry: AgentRegistry; controllerId: string };
  #recordedSubject: AgentSubject | undefined;

  constructor(
    id: string,
    source: { session: AgentSession } | { record: AgentRecord },
    context: { registry: AgentRegistry; controllerId: string },
  ) {
    this.id = id;
    if ('session' in source) this.session = source.session;
    else this.#record = source.record;
    this.#context = context;
  }

  get identity(): AgentIdentity {
    return (this.session ?? (this.#record as AgentRecord)).identity;
  }

  get labels(): Readonly<Record<string, string>> {
    return (this.session ?? (this.#record as AgentRecord)).labels;
  }

  /**
   * The id of the controller that the agent is connected to; undefined while it is disconnected.
   */
  get controller(): string | undefined {
    const { controllerId, registry } = this.#context;
    return this.session ? controllerId : registry.presence(this.id)?.controller;
  }

  get liveness(): Agent['liveness'] {
    if (this.controller !== undefined) return 'LIVENESS_LIVE';
    return this.#record?.stopped ? 'LIVENESS_STOPPED' : 'LIVENESS_LOST';
  }

  get health(): AgentHealth | undefined {
    return this.session ? this.session.reported.health : this.#recorded.health;
  }

  get lastSeen(): Date | undefined {
    return this.session ? this.session.reported.lastSeen : this.#recorded.lastSeen;
  }

  get statuses(): Iterable<EntryStatus> {
    return this.session ? this.session.reported.statuses() : this.#recorded.statuses;
  }

  status(entry: string): EntryStatus | undefined {
    return this.session ? this.session.reported.status(entry) : this.#recorded.status(entry);
  }

  /** The agent for a client. Files are known only where it is connected. */
  describe(includeFiles: boolean): Agent {
    const { controllerId, registry } = this.#context;
    if (this.session) return describeSession(this.session, controllerId, includeFiles);
    return describeRecord(this.#record as AgentRecord, {
      presence: registry.presence(this.id),
      disappearance: registry.disappearance(this.id),
    });
  }

  /** Decodes the last state once, however many fields of it a query reads. */
  get #recorded(): AgentSubject {
    this.#recordedSubject ??= agentSubject(this.describe(false));
    return this.#recordedSubject;
  }
}

/**
 * Every agent that has not been forgotten, connected here, elsewhere or nowhere: one view of them
 * all.
 */
export class AgentDirectory {
  readonly controllerId: string;
  readonly #connected: ConnectedAgents;
  readonly #registry: AgentRegistry;
  readonly #context: { registry: AgentRegistry; controllerId: string };
  readonly #listeners = new Set<(agentId: string) => void>();
  /** Sorted; undefined after an agent was added or forgotten. */
  #ids: readonly string[] | undefined;

  constructor(controllerId: string, connected: ConnectedAgents, registry: AgentRegistry) {
    this.controllerId = controllerId;
    this.#connected = connected;
    this.#registry = registry;
    this.#context = { registry, controllerId };
    connected.onChange((agentId) => this.#handleChange(agentId));
    registry.onChange((agentId) => this.#handleChange(agentId));
  }

  find(agentId: string): KnownAgent | undefined {
    const session = this.#connected.get(agentId);
    return session ? this.#connectedAgent(session) : this.#findRecorded(agentId);
  }

  /** Every agent, unsorted. */
  *all(): Generator<KnownAgent> {
    for (const session of this.#connected.sessions()) yield this.#connectedAgent(session);
    for (const [agentId, record] of this.#registry.records())
      if (!this.#connected.get(agentId)) yield new KnownAgent(agentId, { record }, this.#context);
  }

  /**
   * The agents that the selector matches, sorted by id, after the id `after`. `isLocal`: only those
   * connected here.
   */
  *matching(selector: Selector, { after, isLocal }: { after: string; isLocal: boolean }): Generator<KnownAgent> {
    const ids = this.#sortedIds();
    for (let at = indexAfter(ids, after); at < ids.length; at++) {
      const id = ids[at] as string;
      const session = this.#connected.get(id);
      if (!session && isLocal) continue;
      const agent = session ? this.#connectedAgent(session) : this.#findRecorded(id);
      if (agent && selector.matches(agent.labels)) yield agent;
    }
  }

  /** The session of an agent that is connected to this controller. */
  session(agentId: string): AgentSession | undefined {
    return this.#connected.get(agentId);
  }

  /** The sessions of the agents connected to this controller, unsorted. */
  sessions(): Iterable<AgentSession> {
    return this.#connected.sessions();
  }

  /** Where each connected agent is connected according to etcd, by its id. */
  presences(): Map<string, Presence> {
    return new Map(this.#registry.presences());
  }

  /**
   * Calls `listener` with the id of each agent that has changed. Returns a function that removes
   * it.
   */
  onChange(listener: (agentId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #findRecorded(agentId: string): KnownAgent | undefined {
    const record = this.#registry.record(agentId);
    return record && new KnownAgent(agentId, { record }, this.#context);
  }

  #connectedAgent(session: AgentSession): KnownAgent {
    return new KnownAgent(session.agentId, { session }, this.#context);
  }

  #sortedIds(): readonly string[] {
    if (!this.#ids) {
      const ids = new Set<string>();
      for (const { agentId } of this.#connected.sessions()) ids.add(agentId);
      for (const [id] of this.#registry.records()) ids.add(id);
      this.#ids = [...ids].sort();
    }
    return this.#ids;
  }

  #handleChange(agentId: string): void {
    if (this.#ids && !this.#isSortedCorrectly(agentId, this.#ids)) this.#ids = undefined;
    for (const listener of [...this.#listeners]) listener(agentId);
  }

  /** Whether the sorted ids contain an agent if and only if it is known. */
  #isSortedCorrectly(agentId: string, ids: readonly string[]): boolean {
    const isKnown = this.#connected.get(agentId) !== undefined || this.#registry.record(agentId) !== undefined;
    return isKnown === (ids[indexAfter(ids, agentId) - 1] === agentId);
  }
}
