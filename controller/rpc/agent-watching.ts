import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import {
  ListAgentsRequest,
  type WatchAgentsRequest,
  type WatchAgentsResponse,
} from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createOutbox, type Outbox } from '../../runtime/outbox.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import { agentFilter, checkEntryName, subjectOf } from '../fleet/agent-query.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Peers } from '../fleet/peers.ts';
import { labelSelector, requireAgentId } from './listing.ts';

const PAGE_SIZE = 1_000;
/** Changes of one agent within this time are told as one. */
const COALESCE_MS = 200;
const PEERS_LOOK_INTERVAL_MS = 1_000;

/** Who is there when a watch begins: FleetService's own answers. */
export interface PresentAgents {
  getAgent(request: { name: string; localOnly: boolean }): Promise<Agent>;
  listAgents(request: ListAgentsRequest): Promise<{ agents: Agent[]; nextPageToken: string }>;
}

/** An agent that has changed, as it is when a watcher takes it. */
type Change = () => Agent | undefined;

/** FleetService.WatchAgents */
export class AgentWatching {
  readonly #fleet: Fleet;
  readonly #peers: Peers;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(fleet: Fleet, peers: Peers, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#fleet = fleet;
    this.#peers = peers;
    this.#clock = clock;
    this.#logger = logger;
  }

  async *watch(
    request: WatchAgentsRequest,
    present: PresentAgents,
    signal: AbortSignal,
  ): AsyncGenerator<WatchAgentsResponse> {
    const wants = wantedBy(request);
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
      for await (const agent of presentAgents(request, present)) {
        if (!wants(agent)) continue;
        told.add(agent.name);
        yield { kind: 'KIND_PRESENT', agent };
      }
      yield { kind: 'KIND_SYNCED', agent: undefined };
      if (!request.localOnly) void this.#followPeers(request, outbox, ended.signal);
      for (let changes = await outbox.take(); changes; changes = await outbox.take()) {
        for (const [name, change] of changes) {
          const agent = change();
          if (agent && wants(agent)) {
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

  /** An agent has changed: what this controller knows of it when it is told; a live one elsewhere is told by its own controller. */
  #putLocal(id: string, { localOnly, includeFiles }: WatchAgentsRequest, outbox: Outbox<string, Change>): void {
    if (this.#fleet.isLocal(id) || localOnly)
      outbox.put(agentName(id), () => this.#fleet.localAgent(id, includeFiles) ?? this.#gone(id, localOnly));
    else if (!this.#fleet.isLive(id)) outbox.put(agentName(id), () => this.#fleet.recorded(id));
  }

  #gone(id: string, localOnly: boolean): Agent | undefined {
    return localOnly ? undefined : this.#fleet.recorded(id);
  }

  /** Keeps a watch at every other controller, for as long as this one lasts. Who is not wanted any more is told here: so all are asked for. */
  async #followPeers(
    { name, labelSelector: selector, includeFiles }: WatchAgentsRequest,
    outbox: Outbox<string, Change>,
    signal: AbortSignal,
  ): Promise<void> {
    const followed = new Set<string>();
    const request = { name, labelSelector: selector, includeFiles, localOnly: true };
    while (!signal.aborted) {
      for (const { id, client } of this.#peers.all()) {
        if (followed.has(id)) continue;
        followed.add(id);
        const stream = client.watchAgents(request, { signal });
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

/** Whether an agent is to be told; throws INVALID_ARGUMENT for what makes no sense. */
function wantedBy(request: WatchAgentsRequest): (agent: Agent) => boolean {
  if (request.name !== '') requireAgentId(request.name);
  const violations: FieldViolation[] = [];
  checkEntryName(request.entry, violations);
  if (violations.length > 0) throw invalidArgument(violations);
  const selector = labelSelector(request.labelSelector);
  const filter = agentFilter({ ...request, minLagBytes: 0n, minLagSeconds: 0 });
  return (agent) => {
    if (request.name !== '' && agent.name !== request.name) return false;
    if (!agent.identity || !selector.matches(selectorLabels(agent.identity))) return false;
    return filter?.(subjectOf(agent)) ?? true;
  };
}

async function* presentAgents(request: WatchAgentsRequest, present: PresentAgents): AsyncGenerator<Agent> {
  const { name, localOnly, includeFiles, labelSelector: selector, liveness, entry, entryState } = request;
  if (name !== '') {
    const agent = await present.getAgent({ name, localOnly }).catch(ifNotThere);
    if (agent) yield includeFiles ? agent : { ...agent, files: [] };
    return;
  }
  const chosen = { labelSelector: selector, liveness, entry, entryState, localOnly, includeFiles, pageSize: PAGE_SIZE };
  for (let pageToken = ''; ; ) {
    const { agents, nextPageToken } = await present.listAgents(ListAgentsRequest.create({ ...chosen, pageToken }));
    yield* agents;
    pageToken = nextPageToken;
    if (pageToken === '') return;
  }
}

export function ifNotThere(error: unknown): undefined {
  if (!(error instanceof ApiError) || error.code !== 'NOT_FOUND') throw error;
}
