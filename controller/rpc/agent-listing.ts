import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { ListAgentsRequest, ListAgentsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentId, agentName, controllerName } from '../../proto/rules/names.ts';
import { errorText } from '../../runtime/errors.ts';
import type { AgentDirectory, KnownAgent } from '../fleet/agent-directory.ts';
import { type AgentSubject, agentFilter, agentOrder, agentSubject, checkEntryName } from '../fleet/agent-query.ts';
import { PEER_TIMEOUT_MS, type Peer, type Peers } from '../fleet/peers.ts';
import { type Listing, listing } from './listing.ts';

/** A parsed request. */
interface Query extends Listing {
  /** Undefined: all agents pass. */
  filter: ((subject: AgentSubject) => boolean) | undefined;
  /** Undefined: sorted by name. */
  sortKey: ((subject: AgentSubject) => number) | undefined;
}

/** An agent and its position in the list. */
interface ListedAgent {
  name: string;
  key: number;
  agent: Agent;
}

/** The responses of the other controllers. */
interface PeerResponses {
  agents: Agent[];
  /** The controllers that responded. */
  responded: ReadonlySet<string>;
  /** Why each of the others did not. */
  failures: Map<string, string>;
  /**
   * The last agent of each controller that has more. The order after the first of these is unknown.
   */
  lasts: Agent[];
}

/**
 * FleetService.ListAgents. The other controllers are asked for the same page of their agents, and
 * the pages are merged. Only the agents on the page are described.
 */
export async function listAgents(
  request: ListAgentsRequest,
  directory: AgentDirectory,
  peers: Peers,
): Promise<ListAgentsResponse> {
  const query = parseQuery(request);
  const responses = await listAtPeers(request.localOnly ? [] : peers.all(), { ...request, pageSize: query.size });
  const place = (agent: Agent): ListedAgent => {
    return { name: agent.name, key: query.sortKey?.(agentSubject(agent)) ?? 0, agent };
  };
  const listed = new Map<string, ListedAgent>();
  for (const item of listOwn(query, request, directory, responses.responded)) listed.set(item.name, item);
  for (const agent of responses.agents) listed.set(agent.name, place(agent));
  const cut = responses.lasts.map(place).sort(query.compare)[0];
  const items = [...listed.values()].filter((item) => !cut || query.compare(item, cut) <= 0).sort(query.compare);
  const { page, nextPageToken } = query.page(items, ({ agent }) => encodedBytes(agent), cut !== undefined);
  return {
    agents: page.map(({ agent }) => withFailure(agent, responses.failures)),
    nextPageToken,
    unreachable: [...responses.failures.keys()].map(controllerName),
  };
}

/** A live agent of which nothing else is known, because its controller does not respond. */
export function withoutResponse(agent: Agent, reason: string): Agent {
  return { ...agent, error: `${controllerName(agent.controller)} does not respond: ${reason}` };
}

function parseQuery(request: ListAgentsRequest): Query {
  const violations: FieldViolation[] = [];
  const { liveness, entry, entryState, minLagBytes, minLagSeconds, orderBy } = request;
  checkEntryName(entry, violations);
  const { sortKey, descending } = agentOrder(orderBy, entry, violations);
  const filter = agentFilter(request);
  const parameters = [liveness, entry, entryState, minLagBytes, minLagSeconds, orderBy.trim()];
  const filterText = filter || sortKey ? parameters.join(' ') : '';
  return { ...listing({ ...request, filter: filterText, descending, violations }), filter, sortKey };
}

/**
 * The page as far as this controller knows it, and one agent more if there are others. It lacks the
 * agents of controllers that responded: they are filtered and sorted there.
 */
function listOwn(
  query: Query,
  { localOnly, includeFiles }: ListAgentsRequest,
  directory: AgentDirectory,
  responded: ReadonlySet<string>,
): ListedAgent[] {
  const { selector, sortKey, filter, size } = query;
  const isQueried = filter !== undefined || sortKey !== undefined;
  const found: { name: string; key: number; known: KnownAgent }[] = [];
  const after = sortKey ? '' : (agentId(query.after) ?? '');
  for (const known of directory.matching(selector, { after, isLocal: localOnly })) {
    const isElsewhere = !known.session && responded.has(known.controller ?? '');
    if (isQueried && (isElsewhere || filter?.(known) === false)) continue;
    const item = { name: agentName(known.id), key: sortKey?.(known) ?? 0, known };
    if (!isQueried || query.isBehind(item)) found.push(item);
    if (!sortKey && found.length > size) break;
  }
  if (sortKey) found.sort(query.compare);
  return found.slice(0, size + 1).map(({ name, key, known }) => ({ name, key, agent: known.describe(includeFiles) }));
}

function withFailure(agent: Agent, failures: ReadonlyMap<string, string>): Agent {
  const reason = agent.health ? undefined : failures.get(agent.controller);
  return reason === undefined || agent.liveness !== 'LIVENESS_LIVE' ? agent : withoutResponse(agent, reason);
}

async function listAtPeers(peers: readonly Peer[], request: ListAgentsRequest): Promise<PeerResponses> {
  const responded = new Set<string>();
  const responses: PeerResponses = { agents: [], responded, failures: new Map(), lasts: [] };
  const calls = peers.map(async ({ id, fleet }) => {
    try {
      const signal = AbortSignal.timeout(PEER_TIMEOUT_MS);
      const { agents, nextPageToken } = await fleet.listAgents({ ...request, localOnly: true }, { signal });
      responded.add(id);
      responses.agents.push(...agents);
      const last = agents.at(-1);
      if (nextPageToken !== '' && last) responses.lasts.push(last);
    } catch (error) {
      responses.failures.set(id, errorText(error));
    }
  });
  await Promise.all(calls);
  return responses;
}

function encodedBytes(agent: Agent): number {
  return Agent.encode(agent).finish().length;
}
