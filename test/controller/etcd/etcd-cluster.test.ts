import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { etagRevision } from '../../../proto/rules/etag.ts';
import type { Etcd } from '../../../stack/etcd.ts';
import { readStream } from '../../support/ask-streams.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { startEtcdCluster } from '../../support/etcd-cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';
import { SteadyWrites, WRITTEN } from '../../support/steady-writes.ts';

const PATIENCE = { timeoutMs: 40_000 };
const AGENTS = 4;

/** Watches the entries at one controller, and keeps the etags of each in the order received. */
function follow({ api }: RunningController) {
  const { messages, ended, cancel } = readStream(api.stream('EntryService', 'WatchEntries', {}));
  const etags = (id: string) =>
    messages
      .filter(({ entry }) => entry?.name === `entries/${id}`)
      .map(({ entry }) => BigInt(etagRevision(entry.etag)));
  const all = readStream(api.stream('EntryService', 'WatchChanges', { from_revision: '1' }));
  const changes = (id: string): string[] =>
    all.messages.filter(({ version }) => version?.name === `entries/${id}`).map(({ revision }) => revision);
  const cancelBoth = () => {
    cancel();
    all.cancel();
  };
  return { etags, changes, ended: Promise.allSettled([ended, all.ended]), cancel: cancelBoth };
}

interface Scene extends AsyncDisposable {
  cluster: Awaited<ReturnType<typeof startEtcdCluster>>;
  prefix: string;
  controllers: RunningController[];
  agents: SimulatedAgent[];
  watches: ReturnType<typeof follow>[];
  writing: SteadyWrites;
}

async function scene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startEtcdCluster());
  const prefix = newPrefix();
  const controllers = [0, 1].map(() =>
    startController(cluster.endpoints.join(','), prefix, '--history.versions', '1000'),
  );
  const started = await Promise.all(controllers);
  for (const controller of started) stack.use(controller);
  const addresses = started.map(({ address }) => address);
  const agents = Array.from({ length: AGENTS }, (_, index) => new SimulatedAgent(`agent-${index}`, addresses));
  for (const agent of agents) stack.use(agent);
  const writing = new SteadyWrites(started);
  await writing.create();
  const watches = started.map(follow);
  for (const { cancel, ended } of watches) {
    stack.defer(async () => {
      cancel();
      await ended;
    });
  }
  const parts = stack.move();
  return {
    ...{ cluster, prefix, controllers: started, agents, watches, writing },
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
}

/**
 * Asserts that no acknowledged write is lost, that no watch missed one, and that the agents have
 * the present entries and got each change once.
 */
async function isWhole({ cluster, prefix, controllers, agents, watches, writing }: Scene): Promise<void> {
  const wanted: Record<string, string> = {};
  for (const id of WRITTEN) {
    const acknowledged = writing.acknowledged.get(id) ?? [];
    for (const { changes } of watches) {
      const untold = () => acknowledged.filter(({ etag }) => !changes(id).includes(etagRevision(etag)));
      await eventually(() => assert.deepEqual(untold(), []), PATIENCE);
    }
    const { etag } = await (controllers[1] as RunningController).api.call('EntryService', 'GetEntry', {
      name: `entries/${id}`,
    });
    const last = writing.acknowledged.get(id)?.at(-1)?.etag ?? '';
    assert.ok(BigInt(etagRevision(etag)) >= BigInt(etagRevision(last)), `${id} is not older`);
    wanted[`entries/${id}`] = etagRevision(etag);
  }
  for (const agent of agents) {
    await eventually(() => assert.deepEqual(agent.appliedRevisions, wanted, agent.failures.join('; ')), PATIENCE);
    agent.assertEachChangeOnce();
  }
  for (const { etags } of watches) {
    for (const id of WRITTEN) {
      await eventually(() => assert.equal(String(etags(id).at(-1)), wanted[`entries/${id}`]), PATIENCE);
      assert.deepEqual(
        etags(id),
        [...new Set(etags(id))].sort((a, b) => (a < b ? -1 : 1)),
        'each once, in order',
      );
    }
  }
  const client = new Etcd3({ hosts: cluster.endpoints });
  // A lease that ended while a member hung is granted again.
  await eventually(async () => {
    const held = await client.getAll().prefix(`${prefix}presence/`).keys();
    assert.equal(held.length, agents.length);
  }, PATIENCE).finally(() => client.close());
}

test('while etcd members are killed one after the other, writes continue, none is lost, and each change reaches the agents once', async (t) => {
  await using on = await scene();
  const { cluster, writing } = on;
  for (const which of ['a follower', 'the leader', 'the one that was left']) {
    const leader = await cluster.leader();
    const member =
      which === 'the leader'
        ? leader
        : (cluster.members.find((each) => each !== leader) as (typeof cluster.members)[0]);
    writing.begin();
    await writing.goesOn();
    await member.kill('SIGKILL');
    await writing.goesOn();
    await writing.end();
    // Writes in progress have ended. From here on the dead member causes no refusals.
    const refused = writing.refused.length;
    for (let count = 0; count < 40; count++) await writing.write(WRITTEN[count % WRITTEN.length] as string);
    assert.deepEqual(writing.refused.slice(refused), [], which);
    await member.start();
  }
  for (const { code, tookMs } of writing.refused) {
    assert.equal(code, status.UNAVAILABLE);
    assert.ok(tookMs < 12_000, `refused after ${tookMs} ms`);
  }
  await isWhole(on);
  t.diagnostic(`${[...writing.acknowledged.values()].flat().length} writes, ${writing.refused.length} refused`);
});

test('a hanging etcd member, leader or not, delays writes once; then they go to the others', async () => {
  await using on = await scene();
  const { cluster, writing } = on;
  const leader = await cluster.leader();
  for (const member of [leader, cluster.members.find((each) => each !== leader) as Etcd]) {
    writing.begin();
    await writing.goesOn();
    process.kill(member.pid, 'SIGSTOP');
    await writing.goesOn();
    await writing.end();
    const refused = writing.refused.length;
    for (let count = 0; count < 20; count++) await writing.write(WRITTEN[count % WRITTEN.length] as string);
    assert.deepEqual(writing.refused.slice(refused), []);
    process.kill(member.pid, 'SIGCONT');
    await eventually(() => cluster.leader());
  }
  for (const { code, tookMs } of writing.refused) {
    assert.equal(code, status.UNAVAILABLE);
    assert.ok(tookMs < 12_000, `refused after ${tookMs} ms`);
  }
  await isWhole(on);
});

test('with two of three etcd members killed, reads continue and writes are refused in time; with one restarted, writes succeed', async () => {
  await using on = await scene();
  const { cluster, controllers, writing, agents } = on;
  await writing.write('a');
  await isWhole(on);
  const [first, second] = cluster.members as [Etcd, Etcd];
  await Promise.all([first.kill('SIGKILL'), second.kill('SIGKILL')]);
  const before = agents.map(({ connections }) => connections.length);
  for (let count = 0; count < 4; count++) assert.equal(await writing.write('a'), false);
  for (const { code, tookMs } of writing.refused) {
    assert.equal(code, status.UNAVAILABLE);
    assert.ok(tookMs < 12_000, `refused after ${tookMs} ms`);
  }
  for (const { api } of controllers)
    assert.equal((await api.call('EntryService', 'ListEntries', {})).entries.length, WRITTEN.length);
  assert.deepEqual(
    agents.map(({ connections }) => connections.length),
    before,
    'streams stay',
  );
  await first.start();
  writing.begin();
  await writing.goesOn();
  await writing.end();
  await isWhole(on);
});
