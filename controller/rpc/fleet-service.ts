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
import type { AlertRepository } from '../alerts/alert-repository.ts';
import type { RuleSettings } from '../alerts/conditions.ts';
import { localConditions } from '../alerts/fleet-conditions.ts';
import { ApiError } from '../errors/api-error.ts';
import type { AgentDirectory } from '../fleet/agent-directory.ts';
import type { AgentForgetter } from '../fleet/agent-forgetter.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { listAgents, withoutResponse } from './agent-listing.ts';
import type { AgentRequestCalls } from './agent-request-calls.ts';
import { type AgentWatchCalls, ignoreNotFound } from './agent-watch-calls.ts';
import { listAlerts } from './alert-listing.ts';
import { authorOf } from './author.ts';
import type { EntryStateCalls } from './entry-state-calls.ts';
import { listFacts } from './fact-listing.ts';
import { requireAgentId } from './listing.ts';
import type { SettingsCalls } from './settings-calls.ts';

export interface FleetServiceParts {
  agents: AgentDirectory;
  peers: Peers;
  forgetter: AgentForgetter;
  alerts: AlertRepository;
  alertRules: RuleSettings;
  /** The calls of this service, by subject. */
  calls: {
    requests: AgentRequestCalls;
    settings: SettingsCalls;
    states: EntryStateCalls;
    watches: AgentWatchCalls;
  };
}

/** The calls of FleetService. Agents connected to other controllers are looked up there. */
export class FleetService implements FleetServiceImplementation {
  readonly #parts: FleetServiceParts;
  readonly #calls: FleetServiceParts['calls'];
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(parts: FleetServiceParts, tools: { clock: Clock; logger: Logger }) {
    this.#parts = parts;
    this.#calls = parts.calls;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  listAgents(request: ListAgentsRequest) {
    return listAgents(request, this.#parts.agents, this.#parts.peers);
  }

  async getAgent({ name, localOnly }: GetAgentRequest): Promise<Agent> {
    const id = requireAgentId(name);
    const known = this.#parts.agents.find(id);
    if (!known || (localOnly && !known.session))
      throw new ApiError('NOT_FOUND', `there is no ${name}${localOnly ? ' at this controller' : ''}`);
    const agent = known.describe(true);
    if (known.session || known.controller === undefined) return agent;
    const peer = this.#parts.peers.find(known.controller);
    if (!peer) return withoutResponse(agent, 'this controller does not know its address yet');
    try {
      return await peer.getAgent({ name, localOnly: true }, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
    } catch (error) {
      if (error instanceof ClientError && error.code === Status.NOT_FOUND) return agent;
      return withoutResponse(agent, errorText(error));
    }
  }

  listFacts(request: ListFactsRequest) {
    return listFacts(request, this.#parts.agents, this.#parts.peers);
  }

  tapEntry(request: TapEntryRequest, { signal }: CallContext) {
    return this.#calls.requests.tapEntry(request, signal);
  }

  previewEntry(request: PreviewEntryRequest, { signal }: CallContext) {
    return this.#calls.requests.previewEntry(request, signal);
  }

  restartEntry(request: RestartEntryRequest, { signal }: CallContext) {
    return this.#calls.requests.restartEntry(request, signal);
  }

  rewindEntry(request: RewindEntryRequest, context: CallContext) {
    const author = authorOf(context);
    const onRequest = ({ replayId: replay, entry, dryRun, reason }: RewindQuestion) =>
      this.#logger.info('replay requested', {
        ...{ entry, replay, dryRun, author: author.name, authenticated: author.authenticated, reason },
      });
    return this.#calls.requests.rewindEntry(request, { author, onRequest }, context.signal);
  }

  setLogLevel(request: SetLogLevelRequest, { signal }: CallContext) {
    return this.#calls.requests.setLogLevel(request, signal);
  }

  getDiagnostics(request: GetDiagnosticsRequest, { signal }: CallContext) {
    return this.#calls.requests.getDiagnostics(request, signal);
  }

  askAgents(request: AskAgentsRequest, { signal }: CallContext) {
    return this.#calls.requests.askAgents(request, signal);
  }

  async listAlerts(request: ListAlertsRequest) {
    return listAlerts(request, this.#parts.alerts);
  }

  async listConditions() {
    return localConditions(this.#parts.agents, this.#parts.alertRules, this.#clock.nowMs());
  }

  async getAgentSettings(request: GetAgentSettingsRequest) {
    return this.#calls.settings.get(request);
  }

  updateAgentSettings(request: UpdateAgentSettingsRequest, context: CallContext) {
    const find = (name: string) => this.getAgent({ name, localOnly: false }).catch(ignoreNotFound);
    return this.#calls.settings.update(request, context, find);
  }

  async listAgentSettings(request: ListAgentSettingsRequest) {
    return this.#calls.settings.list(request);
  }

  watchAgents(request: WatchAgentsRequest, { signal }: CallContext) {
    return this.#calls.watches.watch(request, this, signal);
  }

  listEntryStates(request: ListEntryStatesRequest) {
    return this.#calls.states.list(request);
  }

  getEntryState({ name }: GetEntryStateRequest) {
    return this.#calls.states.get(name);
  }

  async forgetAgent({ name }: ForgetAgentRequest) {
    await this.#parts.forgetter.forget(requireAgentId(name));
    return {};
  }
}
