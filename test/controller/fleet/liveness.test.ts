import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { ending, hello, next } from '../../support/agent-streams.ts';
import { startAgent } from '../../support/agents.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd, sharedKafka } from '../../support/servers.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** The guaranteed time, with a margin for a busy machine. */
const HOLE = { timeoutMs: 20_000 };
const GOODBYE = { timeoutMs: 5_000 };

async function agentAt({ api }: RunningController, id: string) {
  return api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
}

async function is(controller: RunningController, id: string, liveness: string): Promise<void> {
  assert.equal((await agentAt(controller, id)).liveness, liveness);
}

test('an agent behind a network that drops everything is soon lost, and live again when the network is repaired', async () => {
  await using dir = await tempDir();
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const proxy = await startTcpProxy();
  try {
    proxy.targetPort = Number(controller.address.split(':')[1]);
    const options = { kafka: await sharedKafka(), state: dir.at('state') };
    await using agent = startAgent({ id: 'far', controller: `127.0.0.1:${proxy.port}`, ...options });
    await agent.logged('connected to the controller');
    await is(controller, 'far', 'LIVENESS_LIVE');
    // Neither side gets a FIN or a reset. The agent was sent the controller's own address, which
    // bypasses the proxy.
    proxy.setMode('hole');
    await controller.process.logged('agent disconnected', HOLE);
    proxy.setMode('pass');
    await eventually(() => is(controller, 'far', 'LIVENESS_LIVE'), HOLE);
  } finally {
    await proxy.stop();
  }
});

test('a disconnected agent is shown at once with its last state by every controller, also after all of them restart', async () => {
  const [etcd, prefix, kafka] = [await sharedEtcd(), newPrefix(), await sharedKafka()];
  await using dir = await tempDir();
  await writeFile(dir.at('x.log'), 'x\n');
  const entry = { paths: [dir.at('*.log')], topic: 'no-such-topic', start: 'beginning' };
  {
    await using home = await startController(etcd, prefix);
    await using other = await startController(etcd, prefix);
    await home.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
    const options = { controller: home.address, kafka };
    await using killed = startAgent({ id: 'killed', state: dir.at('a'), ...options });
    await using stopped = startAgent({ id: 'stopped', state: dir.at('b'), ...options });
    for (const id of ['killed', 'stopped'])
      await eventually(async () => assert.match((await agentAt(other, id)).entries[0]?.error, /does not exist/));
    await killed.kill('SIGKILL');
    await eventually(() => is(other, 'killed', 'LIVENESS_LOST'), GOODBYE);
    await stopped.kill('SIGTERM');
    await eventually(() => is(other, 'stopped', 'LIVENESS_STOPPED'), GOODBYE);
  }
  await using later = await startController(etcd, prefix);
  const { agents } = await later.api.call('FleetService', 'ListAgents', {});
  assert.deepEqual(
    agents.map(({ name, liveness }: Record<string, string>) => [name, liveness]),
    [
      ['agents/killed', 'LIVENESS_LOST'],
      ['agents/stopped', 'LIVENESS_STOPPED'],
    ],
  );
  for (const agent of agents) {
    assert.match(agent.entries[0].error, /does not exist/);
    assert.ok(Number(agent.health.resident_bytes) > 0);
    assert.equal(agent.file_count, 1);
  }
});

test('an agent whose controller died with it was last seen when the death was noticed', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using home = await startController(etcd, prefix, '--lease-ttl', '3s');
  await using other = await startController(etcd, prefix, '--lease-ttl', '3s');
  const stream = hello(home.api.stream('AgentService', 'Connect'), 'x');
  await next(stream);
  await eventually(() => is(other, 'x', 'LIVENESS_LIVE'));
  const { last_seen_time: connected } = await agentAt(other, 'x');
  const ended = ending(stream);
  await home.process.kill('SIGKILL');
  await ended;
  await eventually(() => is(other, 'x', 'LIVENESS_LOST'), HOLE);
  const { last_seen_time: seen } = await agentAt(other, 'x');
  assert.ok(Number(seen.seconds) > Number(connected.seconds), `${seen.seconds} after ${connected.seconds}`);
});

test('the record of an agent that stays connected is refreshed from time to time', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using controller = await startController(etcd, prefix, '--forget-agents-after', '10s');
  const stream = hello(controller.api.stream('AgentService', 'Connect'), 'x');
  await next(stream);
  stream.on('error', () => {});
  const client = new Etcd3({ hosts: etcd });
  try {
    await eventually(
      async () => {
        const record = JSON.parse((await client.get(`${prefix}agents/x`).string()) ?? '{}');
        assert.ok(record.last_seen_time > record.connect_time, record.last_seen_time);
      },
      { timeoutMs: 20_000 },
    );
  } finally {
    client.close();
    stream.cancel();
  }
});

test('an agent that has been disconnected long enough is forgotten, a connected one is not', async () => {
  await using controller = await startController(await sharedEtcd(), newPrefix(), ...['--forget-agents-after', '10s']);
  const gone = hello(controller.api.stream('AgentService', 'Connect'), 'gone');
  const kept = hello(controller.api.stream('AgentService', 'Connect'), 'kept');
  for (const stream of [gone, kept]) await next(stream);
  kept.on('error', () => {});
  const ended = ending(gone);
  gone.cancel();
  await ended;
  await eventually(() => is(controller, 'gone', 'LIVENESS_LOST'));
  await eventually(() => assert.rejects(agentAt(controller, 'gone'), /NOT_FOUND/), { timeoutMs: 40_000 });
  await is(controller, 'kept', 'LIVENESS_LIVE');
  kept.cancel();
});
