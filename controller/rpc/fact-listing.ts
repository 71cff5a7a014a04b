import { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { ListFactsRequest, ListFactsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentId, controllerName, entryId } from '../../proto/rules/names.ts';
import { invalidArgument } from '../errors/api-error.ts';
import type { AgentDirectory } from '../fleet/agent-directory.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { listing } from './listing.ts';

const PEER_PAGE_SIZE = 1_000;

const CASES = { KIND_LOSS: 'loss', KIND_SEALED: 'sealed', KIND_BEGUN: 'begun' } as const;

/**
 * FleetService.ListFacts: the facts of the agents connected here and, from the other controllers,
 * of all others.
 */
export async function listFacts(
  request: ListFactsRequest,
  agents: AgentDirectory,
  peers: Peers,
): Promise<ListFactsResponse> {
  checkNames(request);
  const { agent, entry, kind } = request;
  const { selector, page: pageOf } = listing({ ...request, filter: `${agent} ${entry} ${kind}` });
  const local = [...agents.sessions()].flatMap(({ labels, reported }) =>
    selector.matches(labels) ? reported.facts : [],
  );
  const { facts, unreachable } = request.localOnly
    ? { facts: local, unreachable: [] }
    : await listWithPeers(request, local, peers);
  // While an agent moves from one controller to another, both may list it.
  const wanted = new Map<string, Fact>();
  for (const fact of facts) if (isWanted(fact, request)) wanted.set(`${fact.agent}/${fact.id}`, fact);
  const items = [...wanted].map(([name, fact]) => ({ name, fact })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const { page, nextPageToken } = pageOf(items, ({ fact }) => Fact.encode(fact).finish().length);
  return { facts: page.map(({ fact }) => fact), nextPageToken, unreachable };
}

function isWanted(fact: Fact, { agent, entry, kind }: ListFactsRequest): boolean {
  if (agent !== '' && fact.agent !== agent) return false;
  if (entry !== '' && fact.entry !== entry) return false;
  return kind === 'KIND_UNSPECIFIED' || fact.kind?.$case === CASES[kind];
}

async function listWithPeers(request: ListFactsRequest, local: readonly Fact[], peers: Peers) {
  const facts = [...local];
  const unreachable: string[] = [];
  const calls = peers.all().map(async ({ id, fleet }) => {
    try {
      for (let pageToken = ''; ; ) {
        const forwarded = { ...request, localOnly: true, pageSize: PEER_PAGE_SIZE, pageToken };
        const response = await fleet.listFacts(forwarded, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
        facts.push(...response.facts);
        pageToken = response.nextPageToken;
        if (pageToken === '') return;
      }
    } catch {
      unreachable.push(controllerName(id));
    }
  });
  await Promise.all(calls);
  return { facts, unreachable };
}

function checkNames({ agent, entry }: ListFactsRequest): void {
  const violations: FieldViolation[] = [];
  if (agent !== '' && !agentId(agent))
    violations.push({ field: 'agent', description: `${JSON.stringify(agent)} is not an agent's name: agents/ID` });
  if (entry !== '' && !entryId(entry))
    violations.push({ field: 'entry', description: `${JSON.stringify(entry)} is not an entry's name: entries/NAME` });
  if (violations.length > 0) throw invalidArgument(violations);
}
