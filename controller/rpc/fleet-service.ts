import { type CallContext, ClientError, Status } from 'nice-grpc';
import type { RewindQuestion } from '../../proto/gen/logfleet/v1/ask.ts';
import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type {
  AskAgentsRequest,
  FleetServiceImplementation,
  GetAgentRequest,
  GetAgentSettingsRequest,
  GetDiagnosticsRequest,
  ListAgentSettingsRequest,
  ListAgentsRequest,
  ListAlertsRequest,
  ListFactsRequest,
  PreviewEntryRequest,
  RestartEntryRequest,
  RewindEntryRequest,
  SetLogLevelRequest,
  TapEntryRequest,
  UpdateAgentSettingsRequest,
  WatchAgentsRequest,
  WatchAgentsResponse,
} from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Selector } from '../../proto/rules/selector.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createOutbox, type Outbox } from '../../runtime/outbox.ts';
import type { AlertBook } from '../alerts/alert-book.ts';
import { localConditions } from '../alerts/collect.ts';
import type { RuleSettings } from '../alerts/conditions.ts';
import { ApiError } from '../api-error.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { listAgents, unanswered } from './agent-listing.ts';
import type { AgentQuestions } from './agent-questions.ts';
import { listAlerts } from './alert-listing.ts';
import { authorOf } from './author.ts';
import { listFacts } from './fact-listing.ts';
import { labelSelector, requireAgentId } from './listing.ts';
import { PEER_TIMEOUT_MS, type Peers } from './peers.ts';
import type { SettingsCalls } from './settings-calls.ts';

const PAGE_SIZE = 1_000;
/** Changes of one agent within this time are told as one. */
const COALESCE_MS = 200;
const PEERS_LOOK_INTERVAL_MS = 1_000;

/** What answers beside the fleet itself. */
export interface FleetParts {
  questions: AgentQuestions;
  settings: SettingsCalls;
  alerts: { book: AlertBook; rules: RuleSettings };
}

/** An agent that has changed, as it is when a watcher takes it. */
type Change = () => Agent | undefined;

/** The fleet's state. What is connected elsewhere is asked from there. */
export class FleetService implements FleetServiceImplementation {
  readonly #fleet: Fleet;
  readonly #peers: Peers;
  readonly #questions: AgentQuestions;
  readonly #settings: SettingsCalls;
  readonly #alerts: FleetParts['alerts'];
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(fleet: Fleet, peers: Peers, parts: FleetParts, tools: { clock: Clock; logger: Logger }) {
    this.#fleet = fleet;
    this.#peers = peers;
    this.#questions = parts.questions;
    this.#settings = parts.settings;
    this.#alerts = parts.alerts;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
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

  async *watchAgents(request: WatchAgentsRequest, { signal }: CallContext): AsyncGenerator<WatchAgentsResponse> {
    if (request.name !== '') requireAgentId(request.name);
    const selector = labelSelector(request.labelSelector);
    const wanted = (agent: Agent) => (request.name === '' || agent.name === request.name) && matches(selector, agent);
    const outbox = createOutbox<string, Change>();
    const ended = new AbortController();
    const end = () => {
      ended.abort();
      outbox.close();
    };
    signal.addEventListener('abort', end, { once: true });
    const stop = this.#fleet.onChange((id) => this.#putLocal(id, request, outbox));
    const told = new Set<string>();
    try {
      for await (const agent of this.#present(request)) {
        told.add(agent.name);
        yield { kind: 'KIND_PRESENT', agent };
      }
      yield { kind: 'KIND_SYNCED', agent: undefined };
      if (!request.localOnly) void this.#followPeers(request, outbox, ended.signal);
      for (let changes = await outbox.take(); changes; changes = await outbox.take()) {
        for (const [name, change] of changes) {
          const agent = change();
          if (agent && wanted(agent)) {
            told.add(name);
            yield { kind: 'KIND_UPDATED', agent };
          } else if (told.delete(name)) {
            yield { kind: 'KIND_REMOVED', agent: agent ?? Agent.create({ name }) };
          }
        }
        await this.#clock.sleep(COALESCE_MS, ended.signal).catch(() => {});
      }
    } finally {
      stop();
      end();
    }
  }

  /** Who is there when a watch begins. */
  async *#present({ name, labelSelector: wanted, ...request }: WatchAgentsRequest): AsyncGenerator<Agent> {
    if (name !== '') {
      const agent = await this.getAgent({ name, localOnly: request.localOnly }).catch(ifNotThere);
      if (agent && matches(labelSelector(wanted), agent)) yield request.includeFiles ? agent : { ...agent, files: [] };
      return;
    }
    for (let pageToken = ''; ; ) {
      const asking = { ...request, labelSelector: wanted, pageSize: PAGE_SIZE, pageToken };
      const { agents, nextPageToken } = await this.listAgents(asking);
      yield* agents;
      pageToken = nextPageToken;
      if (pageToken === '') return;
    }
  }

  /** An agent has changed: what this controller knows of it when it is told; a live one elsewhere is told by its own controller. */
  #putLocal(id: string, { localOnly, includeFiles }: WatchAgentsRequest, outbox: Outbox<string, Change>): void {
    if (this.#fleet.isLocal(id) || localOnly)
      outbox.put(agentName(id), () => this.#fleet.localAgent(id, includeFiles) ?? this.#gone(id, localOnly));
    else if (!this.#fleet.isLive(id)) outbox.put(agentName(id), () => this.#fleet.recorded(id));
  }

  #gone(id: string, localOnly: boolean): Agent | undefined {
    return localOnly ? undefined : this.#fleet.recorded(id);
  }

  /** Keeps a watch at every other controller, for as long as this one lasts. */
  async #followPeers(request: WatchAgentsRequest, outbox: Outbox<string, Change>, signal: AbortSignal): Promise<void> {
    const followed = new Set<string>();
    while (!signal.aborted) {
      for (const { id, client } of this.#peers.all()) {
        if (followed.has(id)) continue;
        followed.add(id);
        const stream = client.watchAgents({ ...request, localOnly: true }, { signal });
        void this.#followPeer(stream, outbox).finally(() => followed.delete(id));
      }
      await this.#clock.sleep(PEERS_LOOK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  /** Never rejects: a peer that is gone is followed again when it is back, and its agents are told by their presence. */
  async #followPeer(stream: AsyncIterable<WatchAgentsResponse>, outbox: Outbox<string, Change>): Promise<void> {
    try {
      for await (const { kind, agent } of stream) {
        if (agent && (kind === 'KIND_PRESENT' || kind === 'KIND_UPDATED')) outbox.put(agent.name, () => agent);
      }
    } catch (error) {
      this.#logger.debug('a watch at another controller has ended', { error: errorText(error) });
    }
  }
}

function matches(selector: Selector, { identity }: Agent): boolean {
  return identity !== undefined && selector.matches(selectorLabels(identity));
}

function ifNotThere(error: unknown): undefined {
  if (!(error instanceof ApiError) || error.code !== 'NOT_FOUND') throw error;
}
