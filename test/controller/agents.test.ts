import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { ending, hello, next } from '../support/agent-streams.ts';
import { startAgent } from '../support/agents.ts';
import { newPrefix, type RunningController, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';

const single = async (...args: string[]) => startController(await sharedEtcd(), newPrefix(), ...args);

async function liveness({ api }: RunningController, agent: string): Promise<string> {
  return (await api.call('FleetService', 'GetAgent', { name: `agents/${agent}` })).liveness;
}

test('an agent gets its whole desired state once, then the changes; a state that it already has is not sent again', async () => {
  await using controller = await single();
  const { api } = controller;
  const create = (id: string, selector: string) =>
    api.call('EntryService', 'CreateEntry', { entry_id: id, entry: { paths: ['/x/*.log'], topic: 't', selector } });
  await create('all', '');
  await create('other', 'agent=other');
  const stream = hello(api.stream('AgentService', 'Connect'), 'me');
  const messages: { kind: string; upserts: { name: string }[]; removed: string[]; hash: string }[] = [];
  const reading = (async () => {
    for await (const { desired } of stream) if (desired) messages.push(desired as never);
  })().catch(() => {});
  const told = (count: number) => eventually(() => assert.equal(messages.length, count));
  await told(1);
  await create('mine', 'agent in (me,you)');
  await told(2);
  await create('not-mine', 'agent notin (me)');
  await api.call('EntryService', 'DeleteEntry', { name: 'entries/all' });
  await told(3);
  await api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/mine', selector: 'agent=you' } });
  await told(4);
  assert.deepEqual(
    messages.map(({ kind, upserts, removed }) => [kind, upserts.map(({ name }) => name), removed]),
    [
      ['KIND_SNAPSHOT', ['entries/all'], []],
      ['KIND_DELTA', ['entries/mine'], []],
      ['KIND_DELTA', [], ['entries/all']],
      ['KIND_DELTA', [], ['entries/mine']],
    ],
  );
  stream.end();
  await reading;
  const again = hello(api.stream('AgentService', 'Connect'), 'me', { applied_hash: messages.at(-1)?.hash });
  assert.equal((await next(again))['kind'], 'KIND_UNCHANGED');
  again.cancel();
});

test('a second agent with the id of a connected one is refused with the reason; the same process may reconnect', async () => {
  await using controller = await single();
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const options = { id: 'twin', controller: controller.address, kafka };
  await using first = startAgent({ ...options, state: dir.at('one') });
  await first.logged('connected to the controller');
  await using second = startAgent({ ...options, state: dir.at('two') });
  const { error } = await second.logged('no stream to the controller');
  assert.match(String(error), /id twin is already connected, on host .*give each agent an --id of its own/);
  assert.equal(await liveness(controller, 'twin'), 'LIVENESS_LIVE');

  const stream = hello(controller.api.stream('AgentService', 'Connect'), 'solo');
  await next(stream);
  const former = ending(stream);
  const latter = hello(controller.api.stream('AgentService', 'Connect'), 'solo');
  await next(latter);
  assert.equal((await former).code, status.ABORTED);
  latter.cancel();
});

test('an agent that says goodbye is stopped, a killed one is lost, and both are listed with their last state', async () => {
  await using controller = await single();
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const options = { controller: controller.address, kafka };
  await using stopped = startAgent({ ...options, id: 'stopped', state: dir.at('a'), labels: { env: 'prod' } });
  await using killed = startAgent({ ...options, id: 'killed', state: dir.at('b') });
  await Promise.all([stopped, killed].map((agent) => agent.logged('connected to the controller')));
  await stopped.kill('SIGTERM');
  await killed.kill('SIGKILL');
  await eventually(async () => assert.equal(await liveness(controller, 'stopped'), 'LIVENESS_STOPPED'));
  await eventually(async () => assert.equal(await liveness(controller, 'killed'), 'LIVENESS_LOST'));
  const { agents } = await controller.api.call('FleetService', 'ListAgents', { label_selector: 'env=prod' });
  assert.deepEqual(
    agents.map(({ name, identity }: { name: string; identity: { labels: object } }) => [name, identity.labels]),
    [['agents/stopped', { env: 'prod' }]],
  );
});

test('an invalid message ends its stream with the field named, and affects no other agent', async () => {
  await using controller = await single();
  const { api } = controller;
  const open = () => api.stream('AgentService', 'Connect');
  const early = open();
  early.write({ report: {} });
  assert.deepEqual(
    await ending(early).then(({ code, details }) => [code, /first message must be hello/.test(details)]),
    [status.INVALID_ARGUMENT, true],
  );
  const cases: [object, RegExp][] = [
    [{ identity: { agent_id: 'Not An Id' } }, /agent_id/],
    [{ identity: { agent_id: 'a', labels: { host: 'mine' } } }, /labels/],
    [{ identity: { agent_id: 'a' }, instance_id: '' }, /instance_id/],
  ];
  for (const [more, expected] of cases) {
    const { code, details } = await ending(hello(open(), 'a', more));
    assert.equal(code, status.INVALID_ARGUMENT);
    assert.match(details, expected);
  }
  const unknown = api.stream('FleetService', 'WatchAgents', { name: 'not a name' });
  assert.deepEqual((await ending(unknown)).code, status.INVALID_ARGUMENT);
  const twice = hello(open(), 'b');
  hello(twice, 'b');
  assert.equal((await ending(twice)).code, status.INVALID_ARGUMENT);
});

test('every controller lists all agents, and an agent whose controller is killed soon connects to another', async () => {
  const [etcd, prefix, kafka] = [await sharedEtcd(), newPrefix(), await sharedKafka()];
  await using dir = await tempDir();
  await using a = await startController(etcd, prefix, '--lease-ttl', '3s');
  await using b = await startController(etcd, prefix, '--lease-ttl', '3s');
  await writeFile(dir.at('x.log'), 'x\n');
  await using agent = startAgent({ id: 'x', controller: `${a.address},${b.address}`, kafka, state: dir.at('state') });
  await agent.logged('connected to the controller');
  const entry = { paths: [dir.at('*.log')], topic: 'no-such-topic', start: 'beginning' };
  await b.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
  const seenFrom = async ({ api }: RunningController) => {
    const { agents, unreachable } = await api.call('FleetService', 'ListAgents', { include_files: true });
    assert.deepEqual([agents.length, unreachable], [1, []]);
    const [{ liveness: live, files, entries, controller }] = agents;
    assert.equal(live, 'LIVENESS_LIVE');
    assert.deepEqual(
      files.map(({ path }: { path: string }) => path),
      [dir.at('x.log')],
    );
    assert.match(entries[0].error, /topic.*does not exist/);
    return controller as string;
  };
  await eventually(() => seenFrom(a));
  const home = await eventually(() => seenFrom(b));
  const [killed, other] = (await a.process.logged('listening'))['controller'] === home ? [a, b] : [b, a];
  await killed.process.kill('SIGKILL');
  await eventually(async () => assert.notEqual(await seenFrom(other), home), { timeoutMs: 20_000 });
});

test('a watch of agents sends the present agents, then every change', async () => {
  await using controller = await single();
  await using dir = await tempDir();
  const watch = controller.api.stream('FleetService', 'WatchAgents', {});
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { kind, agent } of watch) {
      const { name = '', liveness: live = '' } = (agent ?? {}) as { name?: string; liveness?: string };
      seen.push(`${kind} ${name} ${live}`);
    }
  })().catch(() => {});
  await eventually(() => assert.deepEqual(seen, ['KIND_SYNCED  ']));
  await using agent = startAgent({
    id: 'x',
    controller: controller.address,
    kafka: await sharedKafka(),
    state: dir.at('state'),
  });
  await eventually(() => assert.equal(seen.at(-1), 'KIND_UPDATED agents/x LIVENESS_LIVE'));
  await agent.kill('SIGTERM');
  await eventually(() => assert.equal(seen.at(-1), 'KIND_UPDATED agents/x LIVENESS_STOPPED'));
  watch.cancel();
  await reading;
});

test('SIGTERM drains: streams end with a reason, agents connect elsewhere, and the controller exits with 0', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using a = await startController(etcd, prefix);
  await using b = await startController(etcd, prefix);
  const stream = hello(a.api.stream('AgentService', 'Connect'), 'x');
  await next(stream);
  const watches = ['EntryService/WatchEntries', 'FleetService/WatchAgents'].map((path) => {
    const [service = '', method = ''] = path.split('/');
    return a.api.stream(service, method, {});
  });
  for (const watch of watches) await watch[Symbol.asyncIterator]().next();
  const ended = Promise.all([stream, ...watches].map(ending));
  await a.process.kill('SIGTERM');
  assert.equal((await a.process.exited).code, 0, a.process.stderr());
  for (const { code } of await ended) assert.equal(code, status.UNAVAILABLE);
  const again = hello(b.api.stream('AgentService', 'Connect'), 'x', { instance_id: 'two' });
  assert.equal((await next(again))['kind'], 'KIND_SNAPSHOT', 'its id is free at once');
  again.cancel();
});
