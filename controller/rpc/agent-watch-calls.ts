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
import type { AgentDirectory } from '../fleet/agent-directory.ts';
import { agentFilter, agentSubject, checkEntryName } from '../fleet/agent-query.ts';
import type { Peers } from '../fleet/peers.ts';
import { labelSelector, requireAgentId } from './listing.ts';

const PAGE_SIZE = 1_000;
/** Changes of one agent within this time are sent as one. */
const COALESCE_MS = 200;
const PEERS_CHECK_INTERVAL_MS = 1_000;

/** The calls that list the agents when a watch begins. */
export interface AgentLister {
  getAgent(request: { name: string; localOnly: boolean }): Promise<Agent>;
  listAgents(request: ListAgentsRequest): Promise<{ agents: Agent[]; nextPageToken: string }>;
}

/** Reads the present state of an agent that has changed, when the watcher takes it. */
type ReadAgent = () => Agent | undefined;

/** The call FleetService.WatchAgents. */
export class AgentWatchCalls {
  readonly #agents: AgentDirectory;
  readonly #peers: Peers;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(agents: AgentDirectory, peers: Peers, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#agents = agents;
    this.#peers = peers;
    this.#clock = clock;
    this.#logger = logger;
  }

  async *watch(
    request: WatchAgentsRequest,
    lister: AgentLister,
    signal: AbortSignal,
  ): AsyncGenerator<WatchAgentsResponse> {
    const isWanted = parseFilter(request);
    const outbox = createOutbox<string, ReadAgent>();
    const ended = new AbortController();
    const end = () => {
      ended.abort();
      outbox.close();
    };
    signal.addEventListener('abort', end, { once: true });
    const unsubscribe = this.#agents.onChange((id) => this.#putChanged(id, request, outbox));
    const sent = new Set<string>();
    try {
      for await (const agent of listPresent(request, lister)) {
        if (!isWanted(agent)) continue;
        sent.add(agent.name);
        yield { kind: 'KIND_PRESENT', agent };
      }
      yield { kind: 'KIND_SYNCED', agent: undefined };
      if (!request.localOnly) void this.#followPeers(request, outbox, ended.signal);
      for (let changes = await outbox.take(); changes; changes = await outbox.take()) {
        for (const [name, read] of changes) {
          const agent = read();
          if (agent && isWanted(agent)) {
            sent.add(name);
            yield { kind: 'KIND_UPDATED', agent };
          } else if (sent.delete(name)) {
            yield { kind: 'KIND_REMOVED', agent: agent ?? Agent.create({ name }) };
          }
        }
        await this.#clock.sleep(COALESCE_MS, ended.signal).catch(() => {});
      }
    } finally {
      unsubscribe();
      end();
    }
  }

  /**
   * Puts an agent that is connected here or nowhere. Others are reported by their own controllers.
   */
  #putChanged(id: string, request: WatchAgentsRequest, outbox: Outbox<string, ReadAgent>): void {
    const { session, controller } = this.#agents.find(id) ?? {};
    if (session || request.localOnly || controller === undefined)
      outbox.put(agentName(id), () => this.#describe(id, request));
  }

  #describe(id: string, { localOnly, includeFiles }: WatchAgentsRequest): Agent | undefined {
    const known = this.#agents.find(id);
    return known && (known.session || !localOnly) ? known.describe(includeFiles) : undefined;
  }

  /**
   * Keeps a watch at every other controller while this one lasts. It is unfiltered: whether an
   * agent is no longer wanted is decided here.
   */
  async #followPeers(
    { name, labelSelector: selector, includeFiles }: WatchAgentsRequest,
    outbox: Outbox<string, ReadAgent>,
    signal: AbortSignal,
  ): Promise<void> {
    const followed = new Set<string>();
    const request = { name, labelSelector: selector, includeFiles, localOnly: true };
    while (!signal.aborted) {
      for (const { id, fleet } of this.#peers.all()) {
        if (followed.has(id)) continue;
        followed.add(id);
        const stream = fleet.watchAgents(request, { signal });
        void this.#followPeer(stream, outbox).finally(() => followed.delete(id));
      }
      await this.#clock.sleep(PEERS_CHECK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  /**
   * Never rejects. A controller that returns is followed again; changes of presence arrive without
   * it.
   */
  async #followPeer(stream: AsyncIterable<WatchAgentsResponse>, outbox: Outbox<string, ReadAgent>): Promise<void> {
    try {
      for await (const { kind, agent } of stream) {
        if (agent && (kind === 'KIND_PRESENT' || kind === 'KIND_UPDATED')) outbox.put(agent.name, () => agent);
      }
    } catch (error) {
      this.#logger.debug('watch at another controller ended', { error: errorText(error) });
    }
  }
}

/** The filter of a request. Throws INVALID_ARGUMENT. */
function parseFilter(request: WatchAgentsRequest): (agent: Agent) => boolean {
  if (request.name !== '') requireAgentId(request.name);
  const violations: FieldViolation[] = [];
  checkEntryName(request.entry, violations);
  if (violations.length > 0) throw invalidArgument(violations);
  const selector = labelSelector(request.labelSelector);
  const filter = agentFilter({ ...request, minLagBytes: 0n, minLagSeconds: 0 });
  return (agent) => {
    if (request.name !== '' && agent.name !== request.name) return false;
    if (!agent.identity || !selector.matches(selectorLabels(agent.identity))) return false;
    return filter?.(agentSubject(agent)) ?? true;
  };
}

async function* listPresent(request: WatchAgentsRequest, lister: AgentLister): AsyncGenerator<Agent> {
  const { name, localOnly, includeFiles, labelSelector: selector, liveness, entry, entryState } = request;
  if (name !== '') {
    const agent = await lister.getAgent({ name, localOnly }).catch(ignoreNotFound);
    if (agent) yield includeFiles ? agent : { ...agent, files: [] };
    return;
  }
  const chosen = { labelSelector: selector, liveness, entry, entryState, localOnly, includeFiles, pageSize: PAGE_SIZE };
  for (let pageToken = ''; ; ) {
    const { agents, nextPageToken } = await lister.listAgents(ListAgentsRequest.create({ ...chosen, pageToken }));
    yield* agents;
    pageToken = nextPageToken;
    if (pageToken === '') return;
  }
}

/** Resolves a NOT_FOUND with undefined. */
export function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof ApiError) || error.code !== 'NOT_FOUND') throw error;
}
