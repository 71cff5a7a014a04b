import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { etagRevision } from '../../../proto/rules/etag.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { startEtcdCluster } from '../../support/etcd-cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

const PATIENCE = { timeoutMs: 40_000 };
const AGENTS = 6;
const entry = { paths: ['/x/*.log'], topic: 't' };

test('a controller cut off from etcd for longer than its lease keeps its agents and loses its elections; afterwards no agent has two controllers', async () => {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startEtcdCluster());
  const prefix = newPrefix();
  const nodes = await Promise.all(
    [0, 1].map(async () => {
      const proxies = await Promise.all(
        cluster.members.map(async ({ port }) => Object.assign(await startTcpProxy(), { targetPort: port })),
      );
      for (const proxy of proxies) stack.defer(() => proxy.stop());
      const endpoints = proxies.map(({ port }) => `http://127.0.0.1:${port}`).join(',');
      const controller = stack.use(await startController(endpoints, prefix, '--lease-ttl', '3s'));
      const id = String((await controller.process.logged('listening'))['controller']);
      return { controller, id, setMode: (mode: 'pass' | 'hole') => proxies.map((proxy) => proxy.setMode(mode)) };
    }),
  );
  const client = new Etcd3({ hosts: cluster.endpoints });
  stack.defer(() => client.close());
  const elected = async () => {
    const { kvs } = await client.get(`${prefix}elections/alerts`).exec();
    const { candidate } = JSON.parse(kvs[0]?.value.toString() ?? '{}') as { candidate?: string };
    return { candidate, revision: BigInt(kvs[0]?.create_revision ?? 0) };
  };
  const first = await eventually(async () => {
    const now = await elected();
    assert.ok(now.candidate);
    return now;
  });
  const cut = nodes.find(({ id }) => id === first.candidate) as (typeof nodes)[0];
  const other = nodes.find(({ id }) => id !== first.candidate) as (typeof nodes)[0];
  const homeOf = (agent: SimulatedAgent) =>
    nodes.find(({ controller }) => controller.address === agent.connections.at(-1)?.address)?.id;

  // Half of the agents at each controller, because agents choose one at random.
  const agents = Array.from({ length: AGENTS }, (_, index) => {
    const { controller } = index % 2 === 0 ? cut : other;
    return new SimulatedAgent(`agent-${index}`, [controller.address], { labels: { at: String(index % 2) } });
  });
  for (const agent of agents) stack.use(agent);
  await eventually(() => assert.ok(agents.every(({ connections }) => connections.length === 1)));
  const write = ({ api }: RunningController, owner: string) =>
    api.call('EntryService', 'UpdateEntry', {
      entry: { name: 'entries/app', ...entry, owner },
      allow_missing: true,
      update_mask: { paths: ['*'] },
    });
  const before = await write(cut.controller, 'before');
  const have = (etag: string, those: readonly SimulatedAgent[]) =>
    eventually(() => {
      for (const agent of those) assert.equal(agent.applied['entries/app'], etag, agent.id);
    }, PATIENCE);
  await have(before.etag, agents);

  cut.setMode('hole');
  await eventually(async () => {
    const now = await elected();
    assert.ok(now.candidate === other.id && now.revision > first.revision, 'the other is elected, in a later term');
  }, PATIENCE);
  const presences = async () => Object.keys(await client.getAll().prefix(`${prefix}presence/`).strings());
  await eventually(async () => assert.equal((await presences()).length, AGENTS / 2), PATIENCE);
  await assert.rejects(write(cut.controller, 'cut off'), { code: 14 });
  // One of its agents dies, and its next process connects to the other controller.
  const [dying] = agents as [SimulatedAgent];
  await dying.crash();
  const successor = stack.use(new SimulatedAgent(dying.id, [other.controller.address], { labels: dying.labels }));
  const all = [successor, ...agents.slice(1)];
  await eventually(() => assert.equal(homeOf(successor), other.id), PATIENCE);
  let during = await write(other.controller, 'during');
  for (let round = 0; round < 10; round++) during = await write(other.controller, `during ${round}`);
  await client.kv.compact({ revision: etagRevision(during.etag), physical: true });
  await have(
    during.etag,
    all.filter((agent) => homeOf(agent) === other.id),
  );
  const kept = all.filter((agent) => homeOf(agent) === cut.id);
  assert.equal(kept.length, AGENTS / 2 - 1);
  for (const agent of kept) assert.equal(agent.applied['entries/app'], before.etag, 'it keeps what it has');

  cut.setMode('pass');
  await have(during.etag, all);
  for (const agent of all) agent.assertEachChangeOnce();
  await eventually(async () => {
    const keys = await client.getAll().prefix(`${prefix}presence/`).json();
    const homes = Object.fromEntries(
      Object.entries(keys as unknown as Record<string, { controller: string }>).map(([key, { controller }]) => [
        key.slice(`${prefix}presence/`.length),
        controller,
      ]),
    );
    assert.deepEqual(homes, Object.fromEntries(all.map((agent) => [agent.id, homeOf(agent)])));
  }, PATIENCE);
  for (const { controller } of nodes) {
    await eventually(async () => {
      const { agents: seen, unreachable } = await controller.api.call('FleetService', 'ListAgents', {});
      assert.deepEqual(unreachable, []);
      assert.deepEqual(
        seen.map(({ liveness, controller: at }: { liveness: string; controller: string }) => [liveness, at]),
        all.map((agent) => ['LIVENESS_LIVE', homeOf(agent)]),
      );
    }, PATIENCE);
  }
  const last = await write(cut.controller, 'afterwards');
  await have(last.etag, all);
  assert.ok((await elected()).revision > first.revision);
});
