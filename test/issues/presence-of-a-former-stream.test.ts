import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { sharedEtcd } from '../support/servers.ts';

const TURNS = 30;
const WRITES = 5;

// The end of a former stream of the same process took the new stream's presence with it: a live agent was shown as lost.
test('an agent that comes back while its former stream is being ended stays live in the eyes of all controllers', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using home = await startController(etcd, prefix);
  await using other = await startController(etcd, prefix);
  // As an agent does: tries again when the id is just changing hands.
  const connect = () =>
    eventually(async () => {
      const stream = home.api.stream('AgentService', 'Connect');
      stream.write({ hello: { identity: { agent_id: 'x', host: 'h', os: 'linux' }, instance_id: 'one' } });
      await stream[Symbol.asyncIterator]().next();
      stream.on('error', () => {});
      return stream;
    });
  const seenBy = async ({ api }: typeof home) =>
    (await api.call('FleetService', 'GetAgent', { name: 'agents/x' })).liveness as string;
  let stream = await connect();
  for (let turn = 0; turn < TURNS; turn++) {
    const next = connect();
    stream.cancel();
    stream = await next;
    // Whatever the former stream's end still writes has come before this.
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
