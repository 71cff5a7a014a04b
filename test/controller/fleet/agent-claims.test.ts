import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { startEtcd } from '../../../stack/etcd.ts';
import { ending, hello, next } from '../../support/agent-streams.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import type { Stream } from '../../support/grpc-client.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';

const TURNS = 30;
const WRITES = 5;
const STREAMS = 60;

async function seenBy({ api }: RunningController): Promise<string> {
  return (await api.call('FleetService', 'GetAgent', { name: 'agents/x' })).liveness;
}

/** Retries, as an agent does, while another stream is claiming the id. */
function connect({ api }: RunningController, instance: string): Promise<Stream> {
  return eventually(
    async () => {
      const stream = hello(api.stream('AgentService', 'Connect'), 'x', { instance_id: instance });
      await next(stream);
      stream.on('error', () => {});
      return stream;
    },
    { timeoutMs: 20_000 },
  );
}

test('an agent that reconnects while its previous stream is being ended stays live at all controllers', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using home = await startController(etcd, prefix);
  await using other = await startController(etcd, prefix);
  let stream = await connect(home, 'one');
  for (let turn = 0; turn < TURNS; turn++) {
    const latter = connect(home, 'one');
    stream.cancel();
    stream = await latter;
    // Everything that the end of the previous stream writes arrives before this.
    for (let write = 0; write < WRITES; write++) {
      const entry = { name: 'entries/any', paths: ['/x/*.log'], topic: 't', description: `${turn}.${write}` };
      await home.api.call('EntryService', 'UpdateEntry', { entry, allow_missing: true });
    }
    assert.equal(await seenBy(home), 'LIVENESS_LIVE');
    await eventually(async () => assert.equal(await seenBy(other), 'LIVENESS_LIVE', `turn ${turn}`));
  }
  stream.cancel();
  await eventually(async () => assert.equal(await seenBy(other), 'LIVENESS_LOST'));
});

test('if an agent reconnects elsewhere, its previous controller closes the stale stream', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using home = await startController(etcd, prefix);
  await using other = await startController(etcd, prefix);
  const ended = ending(await connect(home, 'one'));
  const latter = await connect(other, 'one');
  assert.equal((await ended).code, status.ABORTED);
  assert.equal(await seenBy(home), 'LIVENESS_LIVE');
  latter.cancel();
});

test('an id is free again after its agent disconnected while etcd was unreachable', async () => {
  await using dir = await tempDir('ghost');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  try {
    const prefix = newPrefix();
    // The lease and the keys under it outlive the outage.
    await using home = await startController(etcd.endpoint, prefix, '--lease-ttl', '60s');
    await using other = await startController(etcd.endpoint, prefix, '--lease-ttl', '60s');
    const stream = await connect(home, 'one');
    await etcd.stop();
    stream.cancel();
    await home.process.logged('agent disconnected');
    await home.process.logged('end of stream not written, retrying', { timeoutMs: 20_000 });
    await etcd.start();
    const latter = await connect(other, 'two');
    await eventually(async () => assert.equal(await seenBy(home), 'LIVENESS_LIVE'));
    latter.cancel();
  } finally {
    await etcd.stop();
  }
});

test('a controller that lost its lease leaves an id to the process that has claimed it since', async () => {
  await using dir = await tempDir('lease');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const client = new Etcd3({ hosts: etcd.endpoint });
  try {
    const prefix = newPrefix();
    await using home = await startController(etcd.endpoint, prefix, '--lease-ttl', '8s');
    await using other = await startController(etcd.endpoint, prefix, '--lease-ttl', '8s');
    const former = await connect(home, 'one');
    const kept = hello(home.api.stream('AgentService', 'Connect'), 'kept');
    await next(kept);
    const [presence] = (await client.getAll().prefix(`${prefix}presence/x`).exec()).kvs;
    await client.leaseClient.leaseRevoke({ ID: presence?.lease as string });
    // Begun first: an error that nobody waits for yet would be missed.
    const ended = ending(former);
    const latter = await connect(other, 'two');
    assert.equal((await ended).code, status.ABORTED);
    await eventually(async () => {
      const { agents } = await other.api.call('FleetService', 'ListAgents', {});
      assert.deepEqual(
        agents.map(({ name, liveness }: { name: string; liveness: string }) => [name, liveness]),
        [
          ['agents/kept', 'LIVENESS_LIVE'],
          ['agents/x', 'LIVENESS_LIVE'],
        ],
      );
    });
    for (const stream of [latter, kept]) stream.cancel();
  } finally {
    client.close();
    await etcd.stop();
  }
});

test('a goodbye is recorded although the lease and the claim were lost', async () => {
  await using dir = await tempDir('goodbye');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const client = new Etcd3({ hosts: etcd.endpoint });
  try {
    const prefix = newPrefix();
    await using home = await startController(etcd.endpoint, prefix, '--lease-ttl', '20s');
    const stream = await connect(home, 'one');
    const [presence] = (await client.getAll().prefix(`${prefix}presence/x`).exec()).kvs;
    await client.leaseClient.leaseRevoke({ ID: presence?.lease as string });
    stream.write({ goodbye: {} });
    stream.end();
    await eventually(async () => assert.equal(await seenBy(home), 'LIVENESS_STOPPED'));
  } finally {
    client.close();
    await etcd.stop();
  }
});

test('the end of many streams at once costs etcd one or two transactions each', async () => {
  await using dir = await tempDir('ends');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const transactions = async () => {
    const metrics = await (await fetch(`${etcd.endpoint}/metrics`)).text();
    const lines = [...metrics.matchAll(/^grpc_server_handled_total\{.*grpc_method="Txn".*\} (\S+)$/gm)];
    return lines.reduce((sum, [, count]) => sum + Number(count), 0);
  };
  try {
    await using home = await startController(etcd.endpoint, newPrefix());
    for (let agent = 0; agent < STREAMS; agent++) {
      const stream = hello(home.api.stream('AgentService', 'Connect'), `agent-${agent}`);
      stream.on('error', () => {});
      await next(stream);
    }
    const before = await transactions();
    assert.ok(before >= STREAMS);
    await home.process.kill('SIGTERM');
    const cost = (await transactions()) - before;
    assert.ok(cost >= STREAMS && cost <= 2 * STREAMS, `${cost} transactions for ${STREAMS} streams`);
  } finally {
    await etcd.stop();
  }
});
