import { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { ListAgentsRequest, ListAgentsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentId } from '../../proto/rules/names.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { listing } from './listing.ts';
import { PEER_TIMEOUT_MS, type Peers } from './peers.ts';

/**
 * FleetService.ListAgents. Each page is worked out from its beginning on: of this controller's agents only those in the page are
 * described, and the other controllers are asked for the same page of theirs.
 */
export async function listAgents(request: ListAgentsRequest, fleet: Fleet, peers: Peers): Promise<ListAgentsResponse> {
  const { selector, after, size, page: pageOf } = listing(request);
  const { localOnly, includeFiles } = request;
  const asked = localOnly ? undefined : askPeers({ ...request, pageSize: size }, peers);
  const agents = new Map<string, Agent>();
  for (const id of fleet.matching(selector, agentId(after) ?? '', localOnly)) {
    const agent = fleet.localAgent(id, includeFiles) ?? fleet.recorded(id);
    if (agent) agents.set(agent.name, agent);
    if (agents.size > size) break;
  }
  const silent = new Map<string, string>();
  // Behind the last one that a controller told, when it has more, nobody knows who is next.
  let lastKnown: string | undefined;
  for (const { id, answer, reason } of (await asked) ?? []) {
    if (!answer) {
      silent.set(id, reason);
      continue;
    }
    for (const agent of answer.agents) agents.set(agent.name, agent);
    const last = answer.nextPageToken === '' ? undefined : answer.agents.at(-1)?.name;
    if (last !== undefined && (lastKnown === undefined || last < lastKnown)) lastKnown = last;
  }
  const known = [...agents.values()]
    .filter(({ name }) => lastKnown === undefined || name <= lastKnown)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const { page, nextPageToken } = pageOf(known, sizeOf, lastKnown !== undefined);
  return {
    agents: page.map((agent) => withReason(agent, silent)),
    nextPageToken,
    unreachable: [...silent.keys()].map((id) => `controllers/${id}`),
  };
}

/** Of a live agent elsewhere that nothing is known but that it is live. */
export function unanswered(agent: Agent, reason: string): Agent {
  return { ...agent, error: `controllers/${agent.controller} does not answer: ${reason}` };
}

function withReason(agent: Agent, silent: ReadonlyMap<string, string>): Agent {
  const reason = agent.health ? undefined : silent.get(agent.controller);
  return reason === undefined || agent.liveness !== 'LIVENESS_LIVE' ? agent : unanswered(agent, reason);
}

function askPeers(request: ListAgentsRequest, peers: Peers) {
  return Promise.all(
    peers.all().map(async ({ id, client }) => {
      try {
        const signal = AbortSignal.timeout(PEER_TIMEOUT_MS);
        return { id, answer: await client.listAgents({ ...request, localOnly: true }, { signal }), reason: '' };
      } catch (error) {
        return { id, answer: undefined, reason: errorText(error) };
      }
    }),
  );
}

function sizeOf(agent: Agent): number {
  return Agent.encode(agent).finish().length;
}
