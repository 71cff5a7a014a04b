import assert from 'node:assert/strict';
import type { Controllers, Hello, Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { DesiredSets } from '../desired/desired-sets.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import type { SettingsRepository } from '../settings/settings-repository.ts';
import type { AgentClaims, Claim } from './agent-claims.ts';
import { endedRecord } from './agent-record.ts';
import { AgentSession } from './agent-session.ts';
import type { FleetMarker } from './fleet-marker.ts';
import { helloViolations } from './hello-violations.ts';

export interface ConnectedAgentsParts {
  claims: AgentClaims;
  desired: DesiredSets;
  settings: SettingsRepository;
  marker: FleetMarker;
  /** The list of controllers to send to a new agent. */
  listControllers(): Controllers;
}

/**
 * The agents connected to this controller: opens and closes their sessions, and takes their
 * reports.
 */
export class ConnectedAgents {
  readonly #controllerId: string;
  readonly #parts: ConnectedAgentsParts;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #sessions = new Map<string, AgentSession>();
  readonly #listeners: ((agentId: string) => void)[] = [];
  /** Whether it was logged that etcd lacks the entries of agents. */
  #isLossLogged = false;

  constructor(controllerId: string, parts: ConnectedAgentsParts, tools: { clock: Clock; logger: Logger }) {
    this.#controllerId = controllerId;
    this.#parts = parts;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    parts.settings.onChange((agentId) => this.#sessions.get(agentId)?.handleSettingsChange());
    parts.marker.onChange(() => this.#handleMarkerChange());
    parts.claims.onTaken((agentId, value) => {
      const session = this.#sessions.get(agentId);
      if (session?.claim.value === value) session.close();
    });
  }

  get(agentId: string): AgentSession | undefined {
    return this.#sessions.get(agentId);
  }

  /** All sessions, unsorted. */
  sessions(): Iterable<AgentSession> {
    return this.#sessions.values();
  }

  /** Calls `listener` with an agent's id after it has connected, reported or disconnected. */
  onChange(listener: (agentId: string) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Opens a session. Rejects with INVALID_ARGUMENT, ALREADY_EXISTS, ABORTED or UNAVAILABLE, and
   * when `signal` is aborted before the claim is written.
   */
  async open(hello: Hello, signal: AbortSignal): Promise<AgentSession> {
    const { claims, desired, settings, marker } = this.#parts;
    const identity = hello.identity ?? AgentIdentity.create();
    const violations = helloViolations(hello);
    if (violations.length > 0) throw invalidArgument(violations);
    const now = this.#now();
    const { agentId, host } = identity;
    const claim = await this.#claim(identity, hello.instanceId, now, signal);
    const parts = { desired, settings, marker };
    const session = new AgentSession({ ...hello, identity }, parts, { claim, now, clock: this.#clock });
    try {
      // The desired state must not be older than what the previous controller sent.
      await desired.waitForRevision(claim.revision);
      await claims.restoreRecord(identity, now);
      if (!claims.holds(claim)) throw new ApiError('ABORTED', 'another stream of this agent has taken over');
    } catch (error) {
      await claims.release(claim);
      throw error;
    }
    this.#sessions.get(agentId)?.close();
    assert(claims.holds(claim), `the session of ${agentId} must hold its claim`);
    this.#sessions.set(agentId, session);
    session.sendControllers(this.#parts.listControllers());
    this.#logger.info('agent connected', { agent: agentId, host });
    this.#logLostEntries(session);
    this.#emit(agentId);
    return session;
  }

  /** Takes in a report. Throws INVALID_ARGUMENT when it is invalid. */
  report(session: AgentSession, report: Report): void {
    session.reported.apply(report, this.#now());
    this.#emit(session.agentId);
  }

  /** Ends a session and its claim. Never rejects. */
  async close(session: AgentSession): Promise<void> {
    const { agentId } = session;
    session.close();
    if (this.#sessions.get(agentId) === session) {
      this.#sessions.delete(agentId);
      this.#logger.info('agent disconnected', { agent: agentId, goodbye: session.isStopped });
    }
    await this.#parts.claims.release(session.claim, endedRecord(session, this.#controllerId));
    this.#emit(agentId);
  }

  async #claim(identity: AgentIdentity, instanceId: string, now: Date, signal: AbortSignal): Promise<Claim> {
    try {
      return await this.#parts.claims.claim(identity, instanceId, now, signal);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'ALREADY_EXISTS') {
        const { agentId: agent, host } = identity;
        this.#logger.warn('agent refused: its id is in use', { agent, host, error: error.message });
      }
      throw error;
    }
  }

  #handleMarkerChange(): void {
    this.#isLossLogged = false;
    for (const session of this.#sessions.values()) {
      this.#logLostEntries(session);
      session.handleMarkerChange();
    }
  }

  /** One line for all agents: most often the whole fleet is concerned. */
  #logLostEntries({ agentId: agent, error }: AgentSession): void {
    if (error === '' || this.#isLossLogged) return;
    this.#isLossLogged = true;
    this.#logger.error('agents have entries that etcd never had', { agent, error });
  }

  #emit(agentId: string): void {
    for (const listener of this.#listeners) listener(agentId);
  }

  #now(): Date {
    return new Date(this.#clock.nowMs());
  }
}
