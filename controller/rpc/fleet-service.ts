import { type CallContext, ClientError, Status } from 'nice-grpc';
import type { RewindQuestion } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type {
  AskAgentsRequest,
  FleetServiceImplementation,
  ForgetAgentRequest,
  GetAgentRequest,
  GetAgentSettingsRequest,
  GetDiagnosticsRequest,
  GetEntryStateRequest,
  ListAgentSettingsRequest,
  ListAgentsRequest,
  ListAlertsRequest,
  ListEntryStatesRequest,
  ListFactsRequest,
  PreviewEntryRequest,
  RestartEntryRequest,
  RewindEntryRequest,
  SetLogLevelRequest,
  TapEntryRequest,
  UpdateAgentSettingsRequest,
  WatchAgentsRequest,
} from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { AlertBook } from '../alerts/alert-book.ts';
import { localConditions } from '../alerts/collect.ts';
import type { RuleSettings } from '../alerts/conditions.ts';
import { ApiError } from '../errors/api-error.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { listAgents, unanswered } from './agent-listing.ts';
import type { AgentQuestions } from './agent-questions.ts';
import { AgentWatching, ifNotThere } from './agent-watching.ts';
import { listAlerts } from './alert-listing.ts';
import { authorOf } from './author.ts';
import type { EntryStates } from './entry-states.ts';
import { listFacts } from './fact-listing.ts';
import { requireAgentId } from './listing.ts';
import type { SettingsCalls } from './settings-calls.ts';

/** What answers beside the fleet itself. */
export interface FleetParts {
  questions: AgentQuestions;
  settings: SettingsCalls;
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
  readonly #settings: SettingsCalls;
  readonly #alerts: FleetParts['alerts'];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watching: AgentWatching;
  readonly #states: EntryStates;
  readonly #forget: FleetParts['forget'];

  constructor(fleet: Fleet, peers: Peers, parts: FleetParts, tools: { clock: Clock; logger: Logger }) {
    this.#fleet = fleet;
    this.#peers = peers;
    this.#questions = parts.questions;
    this.#settings = parts.settings;
    this.#alerts = parts.alerts;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#watching = new AgentWatching(fleet, peers, tools);
    this.#states = parts.states;
    this.#forget = parts.forget;
  }

  listAgents(request: ListAgentsRequest) {
    return listAgents(request, this.#fleet, this.#peers);
  }

  async getAgent({ name, localOnly }: GetAgentRequest): Promise<Agent> {
    const id = requireAgentId(name);
    const local = this.#fleet.localAgent(id, true);
    if (local) return local;
    const agent = localOnly ? undefined : this.#fleet.recorded(id);
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

  rewindEntry(request: RewindEntryRequest, context: CallContext) {
    const author = authorOf(context);
    const tell = ({ replayId: replay, entry, dryRun, reason }: RewindQuestion) =>
      this.#logger.info('lines of an entry are to be sent once more', { replay, entry, dryRun, author, reason });
    return this.#questions.rewindEntry(request, { author, tell }, context.signal);
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

  async getAgentSettings(request: GetAgentSettingsRequest) {
    return this.#settings.get(request);
  }

  updateAgentSettings(request: UpdateAgentSettingsRequest, context: CallContext) {
    const find = (name: string) => this.getAgent({ name, localOnly: false }).catch(ifNotThere);
    return this.#settings.update(request, context, find);
  }

  async listAgentSettings(request: ListAgentSettingsRequest) {
    return this.#settings.list(request);
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
