import type { Hello, Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import { type Agent, AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Selector } from '../../proto/rules/selector.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Assignments } from '../desired/assignments.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import { DesiredSets } from '../desired/desired-sets.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { SettingsStore } from '../settings/settings-store.ts';
import type { Claim, Presence } from './agent-claims.ts';
import { type Subject, subjectOf } from './agent-query.ts';
import { AgentSession } from './agent-session.ts';
import { describeRecord, describeSession } from './describe-agent.ts';
import { helloViolations } from './hello-violations.ts';
import type { Membership } from './membership.ts';
import { firstBehind } from './sorted-ids.ts';
import { Spreading } from './spreading.ts';

/** The agents connected to this controller, and what is known of the others. */
export class Fleet {
  readonly #membership: Membership;
  readonly #assignments: Assignments;
  readonly #told: { sets: DesiredSets; settings: SettingsStore };
  readonly #spreading: Spreading;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #sessions = new Map<string, AgentSession>();
  readonly #listeners = new Set<(agentId: string) => void>();
  /** Of all agents, sorted; undefined when they are to be sorted again. */
  #ids: readonly string[] | undefined;

  constructor(
    membership: Membership,
    { assignments, settings }: { assignments: Assignments; settings: SettingsStore },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#membership = membership;
    this.#assignments = assignments;
    this.#told = { sets: new DesiredSets(assignments), settings };
    this.#spreading = new Spreading(membership, tools);
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    settings.onChange((agentId) => this.#sessions.get(agentId)?.settingsChanged());
    membership.onChange((agentId) => this.#tell(agentId));
    membership.claims.onTaken((agentId, claimed) => {
      const session = this.#sessions.get(agentId);
      if (session?.claim.value === claimed) session.close();
    });
  }

  /** Begins a stream, unless `signal` is aborted before. Rejects with INVALID_ARGUMENT, ALREADY_EXISTS or UNAVAILABLE. */
  async open(hello: Hello, signal: AbortSignal): Promise<AgentSession> {
    const identity = hello.identity ?? AgentIdentity.create();
    const violations = helloViolations(hello);
    if (violations.length > 0) throw invalidArgument(violations);
    const now = this.#now();
    const { agentId, host } = identity;
    const claim = await this.#claim(identity, hello.instanceId, now, signal);
    const session = new AgentSession({ ...hello, identity }, this.#told, { claim, now, clock: this.#clock });
    try {
      // What the agent is told must not be older than what its former controller told it.
      await this.#assignments.reaches(claim.revision);
      await this.#membership.restore(identity, now);
      if (!this.#membership.claims.holds(claim))
        throw new ApiError('ABORTED', 'another stream of this agent has taken over');
    } catch (error) {
      await this.#membership.claims.release(claim);
      throw error;
    }
    this.#sessions.get(agentId)?.close();
    this.#sessions.set(agentId, session);
    session.tellControllers(this.#spreading.controllers);
    this.#logger.info('an agent connected', { agent: agentId, host });
    this.#tell(agentId);
    return session;
  }

  /** Spreads agents over the controllers until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#spreading.run(() => [...this.#sessions.values()], signal);
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
    await this.#membership.release(session.claim, session);
    this.#tell(agentId);
  }

  /** Calls `listener` with the id of each agent that changed. */
  onChange(listener: (agentId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The agents whose labels match, connected here or (not `localOnly`) anywhere or nowhere, behind `after` in the order of their ids. */
  *matching(selector: Selector, after: string, localOnly: boolean): Generator<string> {
    const ids = this.#sortedIds();
    for (let at = firstBehind(ids, after); at < ids.length; at++) {
      const id = ids[at] as string;
      const session = this.#sessions.get(id);
      const known = session ?? (localOnly ? undefined : this.#membership.recordOf(id));
      if (known && selector.matches(known.labels)) yield id;
    }
  }

  /** What is known here of an agent, to choose it by: of one that is connected elsewhere nothing but that. */
  subject(agentId: string): Subject | undefined {
    const session = this.#sessions.get(agentId);
    if (session) return session;
    const agent = this.recorded(agentId);
    return agent && subjectOf(agent);
  }

  /** The controller that an agent is connected to, if any. */
  controllerOf(agentId: string): string | undefined {
    return this.isLocal(agentId) ? this.controllerId : this.#membership.presence(agentId)?.controller;
  }

  /** The streams of the agents that are connected here. */
  sessions(): Iterable<AgentSession> {
    return this.#sessions.values();
  }

  /** What each agent that is connected nowhere would collect. */
  *absent(): Generator<DesiredSet> {
    for (const [agentId, { labels }] of this.#membership.records())
      if (!this.isLive(agentId)) yield this.desiredOf(labels);
  }

  /** What an agent with these labels shall collect. Throws UNAVAILABLE as long as etcd has never answered. */
  desiredOf(labels: Readonly<Record<string, string>>): DesiredSet {
    return this.#told.sets.of(labels);
  }

  /** One agent, when it is connected here. */
  localAgent(agentId: string, includeFiles: boolean): Agent | undefined {
    const session = this.#sessions.get(agentId);
    return session && describeSession(session, this.controllerId, includeFiles);
  }

  /** The agents connected here. */
  local(includeFiles: boolean): Agent[] {
    return [...this.#sessions.values()].map((session) => describeSession(session, this.controllerId, includeFiles));
  }

  isLocal(agentId: string): boolean {
    return this.#sessions.has(agentId);
  }

  /** Whether the agent is connected, to whichever controller. */
  isLive(agentId: string): boolean {
    return this.isLocal(agentId) || this.#membership.presence(agentId) !== undefined;
  }

  /** Losses and sealed files of the agents connected here, as far as they are kept. */
  localFacts(isWanted: (identity: AgentIdentity) => boolean): Fact[] {
    return [...this.#sessions.values()].filter(({ identity }) => isWanted(identity)).flatMap(({ facts }) => facts);
  }

  session(agentId: string): AgentSession | undefined {
    return this.#sessions.get(agentId);
  }

  /** Every agent ever seen, and the controller that it is connected to; undefined for those that are not. */
  *whereabouts(): Generator<{ identity: AgentIdentity; controller: string | undefined }> {
    for (const { identity } of this.#sessions.values()) yield { identity, controller: this.controllerId };
    for (const [agentId, { identity }] of this.#membership.records())
      if (!this.#sessions.has(agentId)) yield { identity, controller: this.#membership.presence(agentId)?.controller };
  }

  /** Who is connected where, by the agents' ids, as etcd has it. */
  get presences(): Map<string, Presence> {
    return new Map(this.#membership.presences());
  }

  get controllerId(): string {
    return this.#membership.controllerId;
  }

  /** What etcd says of an agent that is not connected here. */
  recorded(agentId: string): Agent | undefined {
    const record = this.#membership.recordOf(agentId);
    return record && describeRecord(record, this.#membership);
  }

  /** The agents that have vanished without a goodbye. */
  lost(): Agent[] {
    const gone = [...this.#membership.records()].filter(
      ([agentId, { stopped }]) => !stopped && !this.#sessions.has(agentId) && !this.#membership.presence(agentId),
    );
    return gone.map(([, record]) => describeRecord(record, this.#membership));
  }

  async #claim(identity: AgentIdentity, instanceId: string, now: Date, signal: AbortSignal): Promise<Claim> {
    try {
      return await this.#membership.claim(identity, instanceId, now, signal);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'ALREADY_EXISTS')
        this.#logger.warn('a second agent with an id that is connected is refused', {
          agent: identity.agentId,
          host: identity.host,
          error: error.message,
        });
      throw error;
    }
  }

  #sortedIds(): readonly string[] {
    if (!this.#ids) {
      const ids = new Set(this.#sessions.keys());
      for (const [id] of this.#membership.records()) ids.add(id);
      this.#ids = [...ids].sort();
    }
    return this.#ids;
  }

  #tell(agentId: string): void {
    if (this.#ids && !this.#isKnown(agentId, this.#ids)) this.#ids = undefined;
    for (const listener of [...this.#listeners]) listener(agentId);
  }

  /** Whether the sorted ids are right about this agent. */
  #isKnown(agentId: string, ids: readonly string[]): boolean {
    const isThere = this.#sessions.has(agentId) || this.#membership.recordOf(agentId) !== undefined;
    return isThere === (ids[firstBehind(ids, agentId) - 1] === agentId);
  }

  #now(): Date {
    return new Date(this.#clock.nowMs());
  }
}
