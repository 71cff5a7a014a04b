import { type CallContext, ClientError, Status } from 'nice-grpc';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type {
  AskAgentsRequest,
  FleetServiceImplementation,
  ForgetAgentRequest,
  GetAgentRequest,
  GetDiagnosticsRequest,
  GetEntryStateRequest,
  ListAgentsRequest,
  ListAlertsRequest,
  ListEntryStatesRequest,
  ListFactsRequest,
  PreviewEntryRequest,
  RestartEntryRequest,
  SetLogLevelRequest,
  TapEntryRequest,
  WatchAgentsRequest,
} from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { AlertBook } from '../alerts/alert-book.ts';
import { localConditions } from '../alerts/collect.ts';
import type { RuleSettings } from '../alerts/conditions.ts';
import { ApiError } from '../api-error.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { listAgents, unanswered } from './agent-listing.ts';
import type { AgentQuestions } from './agent-questions.ts';
import { AgentWatching } from './agent-watching.ts';
import { listAlerts } from './alert-listing.ts';
import type { EntryStates } from './entry-states.ts';
import { listFacts } from './fact-listing.ts';
import { requireAgentId } from './listing.ts';
import { PEER_TIMEOUT_MS, type Peers } from './peers.ts';

/** What answers beside the fleet itself. */
export interface FleetParts {
  questions: AgentQuestions;
  alerts: { book: AlertBook; rules: RuleSettings };
  states: EntryStates;
  /** Removes what is known of an agent that is gone. */
  forget(agentId: string): Promise<void>;
}

/** The fleet's state. What is connected elsewhere is asked from there. */
export class FleetService implements FleetServiceImplementation {
  readonly #fleet: Fleet;
  readonly #peers: Peers;
  readonly #questions: AgentQuestions;
  readonly #alerts: FleetParts['alerts'];
  readonly #clock: Clock;
  readonly #watching: AgentWatching;
  readonly #states: EntryStates;
  readonly #forget: FleetParts['forget'];

  constructor(fleet: Fleet, peers: Peers, parts: FleetParts, tools: { clock: Clock; logger: Logger }) {
    this.#fleet = fleet;
    this.#peers = peers;
    this.#questions = parts.questions;
    this.#alerts = parts.alerts;
    this.#clock = tools.clock;
    this.#watching = new AgentWatching(fleet, peers, tools);
    this.#states = parts.states;
    this.#forget = parts.forget;
  }

  listAgents(request: ListAgentsRequest) {
    return listAgents(request, this.#fleet, this.#peers);
  }

  async getAgent({ name, localOnly }: GetAgentRequest): Promise<Agent> {
    const id = requireAgentId(name);
    const agent = this.#fleet.localAgent(id, true) ?? (localOnly ? undefined : this.#fleet.recorded(id));
    if (!agent) throw new ApiError('NOT_FOUND', `there is no ${name}${localOnly ? ' here' : ''}`);
    if (agent.health || agent.liveness !== 'LIVENESS_LIVE') return agent;
    const peer = this.#peers.find(agent.controller);
    if (!peer) return unanswered(agent, 'this controller does not know it yet');
    try {
      return await peer.getAgent({ name, localOnly: true }, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
    } catch (error) {
      if (error instanceof ClientError && error.code === Status.NOT_FOUND) return agent;
      return unanswered(agent, errorText(error));
    }
  }

  listFacts(request: ListFactsRequest) {
    return listFacts(request, this.#fleet, this.#peers);
  }

  tapEntry(request: TapEntryRequest, { signal }: CallContext) {
    return this.#questions.tapEntry(request, signal);
  }

  previewEntry(request: PreviewEntryRequest, { signal }: CallContext) {
    return this.#questions.previewEntry(request, signal);
  }

  restartEntry(request: RestartEntryRequest, { signal }: CallContext) {
    return this.#questions.restartEntry(request, signal);
  }

  setLogLevel(request: SetLogLevelRequest, { signal }: CallContext) {
    return this.#questions.setLogLevel(request, signal);
  }

  getDiagnostics(request: GetDiagnosticsRequest, { signal }: CallContext) {
    return this.#questions.getDiagnostics(request, signal);
  }

  askAgents(request: AskAgentsRequest, { signal }: CallContext) {
    return this.#questions.askAgents(request, signal);
  }

  async listAlerts(request: ListAlertsRequest) {
    return listAlerts(request, this.#alerts.book);
  }

  async listConditions() {
    return localConditions(this.#fleet, this.#alerts.rules, this.#clock.nowMs());
  }

  watchAgents(request: WatchAgentsRequest, { signal }: CallContext) {
    return this.#watching.watch(request, this, signal);
  }

  listEntryStates(request: ListEntryStatesRequest) {
    return this.#states.list(request);
  }

  getEntryState({ name }: GetEntryStateRequest) {
    return this.#states.get(name);
  }

  async forgetAgent({ name }: ForgetAgentRequest) {
    await this.#forget(requireAgentId(name));
    return {};
  }
}
