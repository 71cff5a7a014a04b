import type { Hello, Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import { Agent, AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentLabelViolations } from '../../proto/rules/agent-labels.ts';
import { agentName, isAgentId } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError, invalidArgument } from '../api-error.ts';
import type { EntryStore } from '../entry-store.ts';
import type { Claim } from './agent-claims.ts';
import { AgentSession } from './agent-session.ts';
import type { AgentRecord, Membership } from './membership.ts';

/** The agents connected to this controller, and what is known of the others. */
export class Fleet {
  readonly #membership: Membership;
  readonly #store: EntryStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #sessions = new Map<string, AgentSession>();
  readonly #listeners = new Set<(agentId: string) => void>();

  constructor(membership: Membership, store: EntryStore, tools: { clock: Clock; logger: Logger }) {
    this.#membership = membership;
    this.#store = store;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    membership.onChange((agentId) => this.#tell(agentId));
    membership.claims.onTaken((agentId, claimed) => {
      const session = this.#sessions.get(agentId);
      if (session?.claim.value === claimed) session.close();
    });
  }

  /** Begins a stream. Rejects with INVALID_ARGUMENT, ALREADY_EXISTS or UNAVAILABLE. */
  async open(hello: Hello): Promise<AgentSession> {
    const identity = hello.identity ?? AgentIdentity.create();
    const violations = agentLabelViolations(identity.labels, 'hello.identity.labels');
    if (!isAgentId(identity.agentId)) {
      const description = `${JSON.stringify(identity.agentId)} is not an agent's id: use 1 to 253 of a-z, 0-9, "-" and "."`;
      violations.push({ field: 'hello.identity.agent_id', description });
    }
    if (hello.instanceId === '') violations.push({ field: 'hello.instance_id', description: 'is required' });
    if (violations.length > 0) throw invalidArgument(violations);
    const now = this.#now();
    const { agentId, host } = identity;
    const presence = { instance_id: hello.instanceId, host, connect_time: now.toISOString() };
    const claim = await this.#claim(agentId, presence);
    const session = new AgentSession({ ...hello, identity }, this.#store, { claim, now, clock: this.#clock });
    try {
      // What the agent is told must not be older than what its former controller told it.
      await this.#store.reaches(claim.revision);
      await this.#membership.record(recordOf(session, false));
      if (!this.#membership.claims.holds(claim))
        throw new ApiError('ABORTED', 'another stream of this agent has taken over');
    } catch (error) {
      await this.#membership.claims.release(claim);
      throw error;
    }
    this.#sessions.get(agentId)?.close();
    this.#sessions.set(agentId, session);
    this.#logger.info('an agent connected', { agent: agentId, host });
    this.#tell(agentId);
    return session;
  }

  report(session: AgentSession, report: Report): void {
    session.take(report, this.#now());
    this.#tell(session.identity.agentId);
  }

  /** Ends a stream. Never rejects: what can't be written now is written when etcd is back. */
  async close(session: AgentSession): Promise<void> {
    const { agentId } = session.identity;
    session.close();
    if (this.#sessions.get(agentId) === session) {
      this.#sessions.delete(agentId);
      this.#logger.info('an agent disconnected', { agent: agentId, goodbye: session.saidGoodbye });
    }
    await this.#membership.release(session.claim, recordOf(session, session.saidGoodbye));
    this.#tell(agentId);
  }

  /** Calls `listener` with the id of each agent that changed. */
  onChange(listener: (agentId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The agents connected here. */
  local(includeFiles: boolean): Agent[] {
    return [...this.#sessions.values()].map((session) => this.#describe(session, includeFiles));
  }

  /** One agent, when it is connected here. */
  localAgent(agentId: string, includeFiles: boolean): Agent | undefined {
    const session = this.#sessions.get(agentId);
    return session && this.#describe(session, includeFiles);
  }

  /** Losses and sealed files of the agents connected here, as far as they are kept. */
  localFacts(isWanted: (identity: AgentIdentity) => boolean): Fact[] {
    return [...this.#sessions.values()].filter(({ identity }) => isWanted(identity)).flatMap(({ facts }) => facts);
  }

  /** The stream of an agent that is connected here. */
  session(agentId: string): AgentSession | undefined {
    return this.#sessions.get(agentId);
  }

  /** Every agent ever seen, and the controller that it is connected to; undefined for those that are not. */
  *whereabouts(): Generator<{ identity: AgentIdentity; controller: string | undefined }> {
    for (const { identity } of this.#sessions.values()) yield { identity, controller: this.controllerId };
    for (const [agentId, { identity }] of this.#membership.records())
      if (!this.#sessions.has(agentId)) yield { identity, controller: this.#membership.presence(agentId)?.controller };
  }

  get controllerId(): string {
    return this.#membership.controllerId;
  }

  /** What etcd says of an agent that is not connected here. */
  recorded(agentId: string): Agent | undefined {
    const record = this.#membership.recordOf(agentId);
    return record && this.#fromRecord(record);
  }

  /** The agents that have vanished without a goodbye. */
  lost(): Agent[] {
    const gone = [...this.#membership.records()].filter(
      ([agentId, { stopped }]) => !stopped && !this.#sessions.has(agentId) && !this.#membership.presence(agentId),
    );
    return gone.map(([, record]) => this.#fromRecord(record));
  }

  /** All agents ever seen: those connected here as they are, the others as etcd knows them. */
  all(includeFiles: boolean): Map<string, Agent> {
    const agents = new Map<string, Agent>();
    for (const [agentId, record] of this.#membership.records()) agents.set(agentId, this.#fromRecord(record));
    for (const [agentId, session] of this.#sessions) agents.set(agentId, this.#describe(session, includeFiles));
    return agents;
  }

  async #claim(agentId: string, presence: { instance_id: string; host: string; connect_time: string }): Promise<Claim> {
    try {
      return await this.#membership.claims.claim(agentId, presence);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'ALREADY_EXISTS')
        this.#logger.warn('a second agent with an id that is connected is refused', {
          agent: agentId,
          host: presence.host,
          error: error.message,
        });
      throw error;
    }
  }

  #describe(session: AgentSession, includeFiles: boolean): Agent {
    return Agent.create({
      name: agentName(session.identity.agentId),
      identity: session.identity,
      liveness: 'LIVENESS_LIVE',
      controller: this.#membership.controllerId,
      connectTime: session.connectTime,
      lastSeenTime: session.lastSeen,
      ...(session.health && { health: session.health }),
      entries: session.entries,
      ...(includeFiles && { files: session.files }),
      fileCount: session.fileCount,
    });
  }

  #fromRecord(record: AgentRecord): Agent {
    const { identity } = record;
    const presence = this.#membership.presence(identity.agentId);
    const gone = record.stopped ? 'LIVENESS_STOPPED' : 'LIVENESS_LOST';
    return Agent.create({
      name: agentName(identity.agentId),
      identity,
      liveness: presence ? 'LIVENESS_LIVE' : gone,
      controller: presence?.controller ?? record.controller,
      connectTime: new Date(record.connect_time),
      lastSeenTime: new Date(record.last_seen_time),
    });
  }

  #tell(agentId: string): void {
    for (const listener of [...this.#listeners]) listener(agentId);
  }

  #now(): Date {
    return new Date(this.#clock.nowMs());
  }
}

function recordOf({ identity, connectTime, lastSeen }: AgentSession, stopped: boolean) {
  return { identity, connect_time: connectTime.toISOString(), last_seen_time: lastSeen.toISOString(), stopped };
}
