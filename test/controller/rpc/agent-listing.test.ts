import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AgentDirectory, KnownAgent } from '../../../controller/fleet/agent-directory.ts';
import { agentSubject } from '../../../controller/fleet/agent-query.ts';
import type { AgentSession } from '../../../controller/fleet/agent-session.ts';
import type { Peers } from '../../../controller/fleet/peers.ts';
import { listAgents } from '../../../controller/rpc/agent-listing.ts';
import { Agent, AgentHealth, EntryStatus } from '../../../proto/gen/logfleet/v1/fleet.ts';
import { ListAgentsRequest } from '../../../proto/gen/logfleet/v1/fleet_service.ts';
import { selectorLabels } from '../../../proto/rules/agent-labels.ts';
import type { Selector } from '../../../proto/rules/selector.ts';

const CONTROLLERS = ['a', 'b', 'c'];
const ORDERS = [
  '',
  'name',
  'lag_bytes desc',
  'lag_bytes',
  'lag_seconds desc',
  'lost_bytes desc',
  'bytes_per_second desc',
  'cpu desc',
  'resident_bytes desc',
  'last_seen',
];

/** Few values, so that many agents are equal. */
const few = fc.integer({ min: 0, max: 3 });
const numbers = fc.record({ lagBytes: few, lagSeconds: few, lostBytes: few, bytesPerSecond: few });
const agents = fc.array(
  fc.record({
    at: fc.constantFrom(...CONTROLLERS, 'stopped', 'lost'),
    own: numbers,
    cpuCores: few,
    residentBytes: few,
    seen: few,
    role: fc.constantFrom('web', 'db'),
    entry: fc.option(fc.record({ ...{ numbers }, state: fc.constantFrom('APPLIED', 'FAILED'), failedFiles: few })),
  }),
  { minLength: 1, maxLength: 40 },
);
type Made = typeof agents extends fc.Arbitrary<(infer Item)[]> ? Item : never;

/** Requests, most of them with one condition. */
const seldom = <Value>(value: fc.Arbitrary<Value>, none: Value) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(none) }, { weight: 1, arbitrary: value });

const wishes = fc.record({
  orderBy: fc.constantFrom(...ORDERS),
  pageSize: fc.integer({ min: 1, max: 9 }),
  labelSelector: fc.constantFrom('', 'role=web'),
  liveness: seldom(
    fc.constantFrom('LIVENESS_LIVE' as const, 'LIVENESS_LOST' as const),
    'LIVENESS_UNSPECIFIED' as const,
  ),
  entry: fc.constantFrom('', 'entries/e'),
  entryState: seldom(fc.constant('STATE_FAILED' as const), 'STATE_UNSPECIFIED' as const),
  minLagBytes: seldom(few.map(BigInt), 0n),
  minLagSeconds: seldom(few, 0),
});

function agentOf({ at, own, cpuCores, residentBytes, seen, role, entry }: Made, index: number): Agent {
  const inBytes = (of: Made['own']) => ({ ...of, lagBytes: BigInt(of.lagBytes), lostBytes: BigInt(of.lostBytes) });
  // The order of the names differs from every other order.
  const id = `n${(index * 7) % 41}`;
  return Agent.create({
    name: `agents/${id}`,
    identity: { agentId: id, host: 'h', os: 'linux', labels: { role } },
    liveness: at === 'stopped' ? 'LIVENESS_STOPPED' : at === 'lost' ? 'LIVENESS_LOST' : 'LIVENESS_LIVE',
    controller: at,
    health: AgentHealth.create({ ...inBytes(own), cpuCores, residentBytes: BigInt(residentBytes) }),
    lastSeenTime: new Date(seen * 1_000),
    entries: entry
      ? [
          EntryStatus.create({
            ...{ entry: 'entries/e', ...inBytes(entry.numbers), failedFiles: entry.failedFiles },
            state: `STATE_${entry.state as 'APPLIED' | 'FAILED'}`,
          }),
        ]
      : [],
  });
}

/**
 * The directory of a controller: its own agents in full, of live agents elsewhere only their place.
 */
function directoryOf(controllerId: string, all: readonly Agent[]): AgentDirectory {
  const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  const directory: Partial<AgentDirectory> = {
    controllerId,
    *matching(selector: Selector, { after, isLocal }: { after: string; isLocal: boolean }) {
      for (const agent of sorted) {
        const { identity, controller } = agent;
        if (!identity || identity.agentId <= after || (isLocal && controller !== controllerId)) continue;
        if (selector.matches(selectorLabels(identity))) yield knownAgent(agent, controllerId);
      }
    },
  };
  return directory as AgentDirectory;
}

function knownAgent(agent: Agent, controllerId: string): KnownAgent {
  const { name, identity, liveness, controller } = agent;
  const isOwn = controller === controllerId;
  const isElsewhere = !isOwn && liveness === 'LIVENESS_LIVE';
  const described = isElsewhere ? Agent.create({ name, identity, liveness, controller }) : agent;
  const known: Partial<KnownAgent> = {
    ...agentSubject(described),
    id: identity?.agentId ?? '',
    session: isOwn ? ({} as AgentSession) : undefined,
    controller: liveness === 'LIVENESS_LIVE' ? controller : undefined,
    describe: () => described,
  };
  return known as KnownAgent;
}

/**
 * A fleet of several controllers. The first one is called and calls the others, of which `silent`
 * does not respond. A response of theirs has room for `pageMax` agents.
 */
function ask(all: readonly Agent[], { pageMax = 1_000, silent }: { pageMax?: number; silent?: string }) {
  const none = { all: () => [] } as unknown as Peers;
  const others = CONTROLLERS.slice(1).map((id) => ({
    id,
    fleet: {
      listAgents: async (request: Partial<ListAgentsRequest>) => {
        if (id === silent) throw new Error('gone');
        // Serialized as on the wire.
        const fits = Math.min(request.pageSize ?? 100, pageMax);
        const bytes = ListAgentsRequest.encode(ListAgentsRequest.create({ ...request, pageSize: fits })).finish();
        return listAgents(ListAgentsRequest.decode(bytes), directoryOf(id, all), none);
      },
    },
  }));
  const peers = { all: () => others } as unknown as Peers;
  return async (request: Partial<ListAgentsRequest>) => {
    const told: Agent[] = [];
    for (let pageToken = ''; ; ) {
      const answer = await listAgents(
        ListAgentsRequest.create({ ...request, pageToken }),
        directoryOf('a', all),
        peers,
      );
      assert.ok(answer.agents.length <= (request.pageSize ?? 100));
      told.push(...answer.agents);
      pageToken = answer.nextPageToken;
      if (pageToken === '') return told;
      assert.ok(answer.agents.length > 0 && told.length <= all.length);
    }
  };
}

/** The expected names: filters and sorts all agents in the simplest way. */
function expected(
  all: readonly Agent[],
  wish: Omit<Partial<ListAgentsRequest>, 'orderBy'> & { orderBy: string },
): string[] {
  const statusOf = ({ entries }: Agent) => entries[0];
  const source = (agent: Agent) => (wish.entry ? statusOf(agent) : agent.health);
  const isFailed = (agent: Agent) =>
    statusOf(agent)?.state === 'STATE_FAILED' || (statusOf(agent)?.failedFiles ?? 0) > 0;
  const chosen = all.filter((agent) => {
    if (wish.labelSelector && agent.identity?.labels['role'] !== 'web') return false;
    if (wish.liveness !== 'LIVENESS_UNSPECIFIED' && agent.liveness !== wish.liveness) return false;
    if (wish.entry && !statusOf(agent)) return false;
    if (wish.entryState === 'STATE_FAILED' && !isFailed(agent)) return false;
    if ((source(agent)?.lagBytes ?? 0n) < (wish.minLagBytes ?? 0n)) return false;
    return (source(agent)?.lagSeconds ?? 0) >= (wish.minLagSeconds ?? 0);
  });
  const [field = '', direction] = wish.orderBy.split(' ');
  const key = (agent: Agent): number => {
    const keys: Record<string, number | bigint | undefined> = {
      lag_bytes: source(agent)?.lagBytes,
      lag_seconds: source(agent)?.lagSeconds,
      lost_bytes: source(agent)?.lostBytes,
      bytes_per_second: source(agent)?.bytesPerSecond,
      cpu: agent.health?.cpuCores,
      resident_bytes: agent.health?.residentBytes,
      last_seen: agent.lastSeenTime?.getTime(),
    };
    return Number(keys[field] ?? 0) * (direction === 'desc' ? -1 : 1);
  };
  return chosen.sort((a, b) => key(a) - key(b) || (a.name < b.name ? -1 : 1)).map(({ name }) => name);
}

test('every matching agent is listed once, in the requested order, page by page, wherever it is connected', async () => {
  await fc.assert(
    fc.asyncProperty(agents, wishes, fc.integer({ min: 1, max: 9 }), async (made, wish, pageMax) => {
      const all = made.map(agentOf);
      const told = await ask(all, { pageMax })(wish);
      assert.deepEqual(
        told.map(({ name }) => name),
        expected(all, wish),
      );
      // Agents elsewhere are listed in full, as their own controller knows them.
      for (const agent of told) assert.ok(agent.health && agent.error === '');
    }),
    { numRuns: 300 },
  );
});

test('agents of a controller that does not respond are listed once as well, as far as they are known and with the reason', async () => {
  await fc.assert(
    fc.asyncProperty(
      agents,
      fc.constantFrom(...ORDERS),
      fc.integer({ min: 1, max: 9 }),
      async (made, orderBy, pageSize) => {
        const all = made.map(agentOf);
        const told = await ask(all, { silent: 'b' })({ orderBy, pageSize });
        const names = told.map(({ name }) => name);
        assert.deepEqual([...names].sort(), all.map(({ name }) => name).sort());
        for (const { controller, error } of told) assert.equal(error !== '', controller === 'b');
      },
    ),
    { numRuns: 200 },
  );
});

test('a page token is valid for one order only, and an invalid order is refused', async () => {
  const all = [0, 1, 2].map((index) =>
    agentOf(
      {
        ...{ at: 'a', own: { lagBytes: index, lagSeconds: 0, lostBytes: 0, bytesPerSecond: 0 }, cpuCores: 0 },
        ...{ residentBytes: 0, seen: 0, role: 'web', entry: null },
      },
      index,
    ),
  );
  const fleet = directoryOf('a', all);
  const none = { all: () => [] } as unknown as Peers;
  const list = (request: Partial<ListAgentsRequest>) => listAgents(ListAgentsRequest.create(request), fleet, none);
  const { nextPageToken } = await list({ pageSize: 1, orderBy: 'lag_bytes desc' });
  assert.equal((await list({ pageToken: nextPageToken, orderBy: 'lag_bytes desc' })).agents.length, 2);
  for (const orderBy of ['', 'lag_bytes', 'cpu desc'])
    await assert.rejects(list({ pageToken: nextPageToken, orderBy }), /page_token/);
  for (const orderBy of ['name desc', 'lag', 'lag_bytes up', 'lag_bytes desc, name', 'toString'])
    await assert.rejects(list({ orderBy }), /order_by: .* is not an order/);
  await assert.rejects(list({ entry: 'e', orderBy: 'x' }), /entry: .*order_by: /);
});
