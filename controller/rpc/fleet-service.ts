import { type CallContext, ClientError, Status } from 'nice-grpc';
import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type {
  FleetServiceImplementation,
  GetAgentRequest,
  ListAgentsRequest,
  WatchAgentsRequest,
  WatchAgentsResponse,
} from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { agentId, agentName } from '../../proto/rules/names.ts';
import type { Selector } from '../../proto/rules/selector.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import { createOutbox, type Outbox } from '../../runtime/outbox.ts';
import { ApiError, invalidArgument } from '../api-error.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { labelSelector } from './label-selector.ts';
import { pageOf } from './paging.ts';
import type { Peers } from './peers.ts';

const PEER_TIMEOUT_MS = 2_000;
const PEER_PAGE_SIZE = 1_000;
/** Changes of one agent within this time are told as one. */
const COALESCE_MS = 200;
const PEERS_LOOK_INTERVAL_MS = 1_000;

/** The fleet's state. What is connected elsewhere is asked from there. */
export class FleetService implements FleetServiceImplementation {
  readonly #fleet: Fleet;
  readonly #peers: Peers;
  readonly #clock: Clock;

  constructor(fleet: Fleet, peers: Peers, clock: Clock) {
    this.#fleet = fleet;
    this.#peers = peers;
    this.#clock = clock;
  }

  async listAgents(request: ListAgentsRequest) {
    const selector = labelSelector(request.labelSelector);
    const { agents, unreachable } = request.localOnly
      ? { agents: this.#fleet.local(), unreachable: [] }
      : await this.#everywhere(request.includeFiles);
    const wanted = agents.filter((agent) => matches(selector, agent)).sort((a, b) => (a.name < b.name ? -1 : 1));
    const { page, nextPageToken } = pageOf(wanted, request);
    return { agents: page.map((agent) => shown(agent, request.includeFiles)), nextPageToken, unreachable };
  }

  async getAgent({ name, localOnly }: GetAgentRequest): Promise<Agent> {
    const id = agentId(name);
    if (!id)
      throw invalidArgument([
        { field: 'name', description: `${JSON.stringify(name)} is not an agent's name: agents/ID` },
      ]);
    const agent = this.#fleet.localAgent(id) ?? (localOnly ? undefined : this.#fleet.recorded(id));
    if (!agent) throw new ApiError('NOT_FOUND', `there is no ${name}${localOnly ? ' here' : ''}`);
    if (agent.health || agent.liveness !== 'LIVENESS_LIVE') return agent;
    const peer = this.#peers.find(agent.controller);
    if (!peer) return agent;
    try {
      return await peer.getAgent({ name, localOnly: true }, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
    } catch (error) {
      if (error instanceof ClientError && error.code === Status.NOT_FOUND) return agent;
      return { ...agent, error: `controller ${agent.controller} does not answer: ${errorText(error)}` };
    }
  }

  async *watchAgents(request: WatchAgentsRequest, { signal }: CallContext): AsyncGenerator<WatchAgentsResponse> {
    const selector = labelSelector(request.labelSelector);
    const wanted = (agent: Agent) => (request.name === '' || agent.name === request.name) && matches(selector, agent);
    const outbox = createOutbox<string, Agent | undefined>();
    const ended = new AbortController();
    const end = () => {
      ended.abort();
      outbox.close();
    };
    signal.addEventListener('abort', end, { once: true });
    const stop = this.#fleet.onChange((id) => this.#putLocal(id, request.localOnly, outbox));
    const told = new Set<string>();
    try {
      const first = request.localOnly ? this.#fleet.local() : (await this.#everywhere(request.includeFiles)).agents;
      for (const agent of first.filter(wanted)) {
        told.add(agent.name);
        yield { kind: 'KIND_PRESENT', agent: shown(agent, request.includeFiles) };
      }
      yield { kind: 'KIND_SYNCED', agent: undefined };
      if (!request.localOnly) void this.#followPeers(request, outbox, ended.signal);
      for (let changes = await outbox.take(); changes; changes = await outbox.take()) {
        for (const [name, agent] of changes) {
          if (agent && wanted(agent)) {
            told.add(name);
            yield { kind: 'KIND_UPDATED', agent: shown(agent, request.includeFiles) };
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

  /** What this controller knows of an agent that has changed; a live one elsewhere is told by its own controller. */
  #putLocal(id: string, localOnly: boolean, outbox: Outbox<string, Agent | undefined>): void {
    const local = this.#fleet.localAgent(id);
    if (local || localOnly) {
      outbox.put(agentName(id), local);
      return;
    }
    const recorded = this.#fleet.recorded(id);
    if (recorded?.liveness !== 'LIVENESS_LIVE') outbox.put(agentName(id), recorded);
  }

  /** All agents, those elsewhere as their controllers tell. */
  async #everywhere(includeFiles: boolean): Promise<{ agents: Agent[]; unreachable: string[] }> {
    const agents = this.#fleet.all();
    const unreachable: string[] = [];
    const asked = this.#peers.all().map(async ({ id, client }) => {
      try {
        for (let pageToken = ''; ; ) {
          const request = { localOnly: true, includeFiles, pageSize: PEER_PAGE_SIZE, pageToken };
          const answer = await client.listAgents(request, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
          for (const agent of answer.agents) agents.set(agent.identity?.agentId ?? '', agent);
          pageToken = answer.nextPageToken;
          if (pageToken === '') return;
        }
      } catch (error) {
        unreachable.push(`${id}: ${errorText(error)}`);
      }
    });
    await Promise.all(asked);
    return { agents: [...agents.values()], unreachable };
  }

  /** Keeps a watch at every other controller, for as long as this one lasts. */
  async #followPeers(
    request: WatchAgentsRequest,
    outbox: Outbox<string, Agent | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    const followed = new Set<string>();
    while (!signal.aborted) {
      for (const { id, client } of this.#peers.all()) {
        if (followed.has(id)) continue;
        followed.add(id);
        void this.#followPeer(client.watchAgents({ ...request, localOnly: true }, { signal }), outbox, signal).finally(
          () => followed.delete(id),
        );
      }
      await this.#clock.sleep(PEERS_LOOK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #followPeer(
    stream: AsyncIterable<WatchAgentsResponse>,
    outbox: Outbox<string, Agent | undefined>,
    signal: AbortSignal,
  ) {
    try {
      for await (const { kind, agent } of stream) {
        if (agent && (kind === 'KIND_PRESENT' || kind === 'KIND_UPDATED')) outbox.put(agent.name, agent);
      }
    } catch (error) {
      // The peer is gone: its agents are told by their presence, and it is followed again when it is back.
      if (!isAbort(error, signal) && !(error instanceof ClientError)) throw error;
    }
  }
}

function matches(selector: Selector, { identity }: Agent): boolean {
  return identity !== undefined && selector.matches(selectorLabels(identity));
}

function shown(agent: Agent, includeFiles: boolean): Agent {
  return includeFiles ? agent : { ...agent, files: [] };
}
