import { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { ListFactsRequest, ListFactsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentId, entryId } from '../../proto/rules/names.ts';
import { invalidArgument } from '../errors/api-error.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { listing } from './listing.ts';

const PEER_PAGE_SIZE = 1_000;

/** FleetService.ListFacts: facts of the agents connected here, and what the other controllers tell of theirs. */
export async function listFacts(request: ListFactsRequest, fleet: Fleet, peers: Peers): Promise<ListFactsResponse> {
  checkNames(request);
  const { agent, entry, kind } = request;
  const { selector, page: pageOf } = listing({ ...request, filter: `${agent} ${entry} ${kind}` });
  const local = fleet.localFacts((identity) => selector.matches(selectorLabels(identity)));
  const { facts, unreachable } = request.localOnly
    ? { facts: local, unreachable: [] }
    : await withPeers(request, local, peers);
  // The same agent may be told by two controllers, while it moves from one to the other.
  const wanted = new Map<string, Fact>();
  for (const fact of facts) if (isWanted(fact, request)) wanted.set(`${fact.agent}/${fact.id}`, fact);
  const items = [...wanted].map(([name, fact]) => ({ name, fact })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const { page, nextPageToken } = pageOf(items, ({ fact }) => Fact.encode(fact).finish().length);
  return { facts: page.map(({ fact }) => fact), nextPageToken, unreachable };
}

function isWanted(fact: Fact, { agent, entry, kind }: ListFactsRequest): boolean {
  if (agent !== '' && fact.agent !== agent) return false;
  if (entry !== '' && fact.entry !== entry) return false;
  return kind === 'KIND_UNSPECIFIED' || fact.kind?.$case === (kind === 'KIND_LOSS' ? 'loss' : 'sealed');
}

async function withPeers(request: ListFactsRequest, local: readonly Fact[], peers: Peers) {
  const facts = [...local];
  const unreachable: string[] = [];
  const asked = peers.all().map(async ({ id, client }) => {
    try {
      for (let pageToken = ''; ; ) {
        const asking = { ...request, localOnly: true, pageSize: PEER_PAGE_SIZE, pageToken };
        const answer = await client.listFacts(asking, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
        facts.push(...answer.facts);
        pageToken = answer.nextPageToken;
        if (pageToken === '') return;
      }
    } catch {
      unreachable.push(`controllers/${id}`);
    }
  });
  await Promise.all(asked);
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
