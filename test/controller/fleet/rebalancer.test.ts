import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hello } from '../../support/agent-streams.ts';
import { startAgent } from '../../support/agents.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import type { Stream } from '../../support/grpc-client.ts';
import { sharedEtcd, sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';

const STREAMS = 40;
const PATIENCE = { timeoutMs: 30_000 };

async function homeOf({ api }: RunningController, id: string): Promise<string> {
  const { liveness, controller } = await api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
  assert.equal(liveness, 'LIVENESS_LIVE');
  return controller;
}

test('when its controller is killed, an agent connects to another one from the list it was sent', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using dir = await tempDir();
  await using first = await startController(etcd, prefix, '--id', 'first');
  await using agent = startAgent({
    ...{ id: 'x', controller: first.address, kafka: await sharedKafka(), state: dir.at('state') },
  });
  await agent.logged('connected to the controller');
  const watched = receivedList(first, 2);
  await using second = await startController(etcd, prefix, '--id', 'second');
  // Another stream that has been open for as long shows when the agent has got the list.
  await watched;
  await first.process.kill('SIGKILL');
  await eventually(async () => assert.equal(await homeOf(second, 'x'), 'second'), PATIENCE);
});

test('a controller with more than its share moves some of its agents to the one with the fewest', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using first = await startController(etcd, prefix, '--id', 'first');
  const sent = new Set<string>();
  const streams = Array.from({ length: STREAMS }, (_, index) => {
    const stream = hello(first.api.stream('AgentService', 'Connect'), `agent-${index}`);
    void follow(stream, (to) => sent.add(to));
    return stream;
  });
  await eventually(() => homeOf(first, `agent-${STREAMS - 1}`));
  await using second = await startController(etcd, prefix, '--id', 'second');
  await eventually(() => assert.deepEqual([...sent], [second.address]), PATIENCE);
  for (const stream of streams) stream.cancel();
});

/** Resolves when a stream at this controller gets a list of `count` controllers. */
async function receivedList({ api }: RunningController, count: number): Promise<void> {
  const stream = hello(api.stream('AgentService', 'Connect'), 'guest');
  try {
    for await (const message of stream) {
      const { controllers } = message as { controllers?: { addresses: string[] } };
      if (controllers?.addresses.length === count) return;
    }
  } finally {
    stream.cancel();
  }
}

async function follow(stream: Stream, onSent: (to: string) => void): Promise<void> {
  try {
    for await (const message of stream) {
      const { controllers } = message as { controllers?: { move_to: string } };
      if (controllers?.move_to) onSent(controllers.move_to);
    }
  } catch {
    // Cancelled at the end of the test.
  }
}
