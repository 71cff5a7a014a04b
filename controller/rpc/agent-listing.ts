import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { ListAgentsRequest, ListAgentsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentId, agentName } from '../../proto/rules/names.ts';
import { errorText } from '../../runtime/errors.ts';
import { agentFilter, agentOrder, checkEntryName, type Subject, subjectOf } from '../fleet/agent-query.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { type Listing, listing } from './listing.ts';

/** A request, understood. */
interface Query extends Listing {
  /** Undefined: all are wanted. */
  wants: ((subject: Subject) => boolean) | undefined;
  /** Undefined: in the order of their names. */
  keyOf: ((subject: Subject) => number) | undefined;
}

/** An agent in its place. */
interface Listed {
  name: string;
  key: number;
  agent: Agent;
}

/** What the other controllers told. */
interface Told {
  agents: Agent[];
  /** The reason by controller. */
  silent: Map<string, string>;
  answered: ReadonlySet<string>;
  /** The last one of each controller that has more: behind the first of these nobody knows who is next. */
  lasts: Agent[];
}

/**
 * FleetService.ListAgents. Each page is worked out from its beginning on: of this controller's agents only those in the page are
 * described, and the other controllers are asked for the same page of theirs.
 */
export async function listAgents(request: ListAgentsRequest, fleet: Fleet, peers: Peers): Promise<ListAgentsResponse> {
  const query = queryOf(request);
  const told = await askPeers(request.localOnly ? [] : peers.all(), { ...request, pageSize: query.size });
  const place = (agent: Agent): Listed => ({ name: agent.name, key: query.keyOf?.(subjectOf(agent)) ?? 0, agent });
  const listed = new Map<string, Listed>();
  for (const item of ownPage(query, request, fleet, told.answered)) listed.set(item.name, item);
  for (const agent of told.agents) listed.set(agent.name, place(agent));
  const cut = told.lasts.map(place).sort(query.compare)[0];
  const known = [...listed.values()].filter((item) => !cut || query.compare(item, cut) <= 0).sort(query.compare);
  const { page, nextPageToken } = query.page(known, ({ agent }) => sizeOf(agent), cut !== undefined);
  return {
    agents: page.map(({ agent }) => withReason(agent, told.silent)),
    nextPageToken,
    unreachable: [...told.silent.keys()].map((id) => `controllers/${id}`),
  };
}

/** Of a live agent elsewhere that nothing is known but that it is live. */
export function unanswered(agent: Agent, reason: string): Agent {
  return { ...agent, error: `controllers/${agent.controller} does not answer: ${reason}` };
}

function queryOf(request: ListAgentsRequest): Query {
  const violations: FieldViolation[] = [];
  const { liveness, entry, entryState, minLagBytes, minLagSeconds, orderBy } = request;
  checkEntryName(entry, violations);
  const { keyOf, descending } = agentOrder(orderBy, entry, violations);
  const wants = agentFilter(request);
  const chosen = [liveness, entry, entryState, minLagBytes, minLagSeconds, orderBy.trim()];
  const filter = wants || keyOf ? chosen.join(' ') : '';
  return { ...listing({ ...request, filter, descending, violations }), wants, keyOf };
}

/** The page as far as this controller knows it, and one more when there are others; sorted, but for the agents of the others. */
function ownPage(query: Query, request: ListAgentsRequest, fleet: Fleet, answered: ReadonlySet<string>): Listed[] {
  const { localOnly, includeFiles } = request;
  const { selector, keyOf, wants, size } = query;
  const places: Omit<Listed, 'agent'>[] = [];
  for (const id of fleet.matching(selector, keyOf ? '' : (agentId(query.after) ?? ''), localOnly)) {
    const name = agentName(id);
    if (wants || keyOf) {
      // What is connected elsewhere is chosen and sorted there.
      const controller = fleet.controllerOf(id);
      if (controller !== fleet.controllerId && answered.has(controller ?? '')) continue;
      const subject = fleet.subject(id);
      if (!subject || wants?.(subject) === false) continue;
      const place = { name, key: keyOf?.(subject) ?? 0 };
      if (query.isBehind(place)) places.push(place);
    } else places.push({ name, key: 0 });
    if (!keyOf && places.length > size) break;
  }
  if (keyOf) places.sort(query.compare);
  return places.slice(0, size + 1).flatMap(({ name, key }) => {
    const id = agentId(name) as string;
    const agent = fleet.localAgent(id, includeFiles) ?? fleet.recorded(id);
    return agent ? [{ name, key, agent }] : [];
  });
}

function withReason(agent: Agent, silent: ReadonlyMap<string, string>): Agent {
  const reason = agent.health ? undefined : silent.get(agent.controller);
  return reason === undefined || agent.liveness !== 'LIVENESS_LIVE' ? agent : unanswered(agent, reason);
}

async function askPeers(peers: ReturnType<Peers['all']>, request: ListAgentsRequest): Promise<Told> {
  const answered = new Set<string>();
  const told: Told = { agents: [], silent: new Map(), answered, lasts: [] };
  const asked = peers.map(async ({ id, client }) => {
    try {
      const signal = AbortSignal.timeout(PEER_TIMEOUT_MS);
      const { agents, nextPageToken } = await client.listAgents({ ...request, localOnly: true }, { signal });
      answered.add(id);
      told.agents.push(...agents);
      const last = agents.at(-1);
      if (nextPageToken !== '' && last) told.lasts.push(last);
    } catch (error) {
      told.silent.set(id, errorText(error));
    }
  });
  await Promise.all(asked);
  return told;
}

function sizeOf(agent: Agent): number {
  return Agent.encode(agent).finish().length;
}
