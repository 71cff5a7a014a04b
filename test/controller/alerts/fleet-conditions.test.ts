import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetConditions, localConditions } from '../../../controller/alerts/fleet-conditions.ts';
import { createFleet } from '../../../controller/create-fleet.ts';
import { Assignments } from '../../../controller/desired/assignments.ts';
import { DesiredSets } from '../../../controller/desired/desired-sets.ts';
import { EntryView } from '../../../controller/entries/entry-view.ts';
import { RolloutRepository } from '../../../controller/entries/rollout-repository.ts';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { EtcdMirror } from '../../../controller/etcd/etcd-mirror.ts';
import { Keyspace } from '../../../controller/etcd/keyspace.ts';
import { encodeRecord } from '../../../controller/fleet/agent-record.ts';
import { SettingsRepository } from '../../../controller/settings/settings-repository.ts';
import { Condition } from '../../../proto/gen/logfleet/v1/alert.ts';
import { AgentIdentity } from '../../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { newPrefix } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';

const tools = { clock: systemClock, logger: createLogger({ level: 'error', format: 'text' }) };
const rules = { agentLostMs: 0, entryFailedMs: 0, lagBytes: 1, lagMs: 0, lossMs: 0, forecastMs: 0 };
const failed = Condition.create({ rule: 'EntryFailed', agent: 'agents/x', entry: 'entries/app' });
const nothing = { conditions: [], unreported: [] };

/** The agents as a controller without any sees them, and writes of other controllers to etcd. */
async function viewer() {
  const prefix = newPrefix();
  const client = new EtcdClient({ endpoints: [await sharedEtcd()], tls: undefined, user: undefined });
  const keys = new Keyspace(prefix);
  const mirror = new EtcdMirror(client, keys.current, tools);
  const entries = new EntryView(mirror, keys.entries, tools.logger);
  const rollouts = new RolloutRepository(client, mirror, keys.rollouts, tools.logger);
  const desired = new DesiredSets(new Assignments(mirror, entries, rollouts));
  const settings = new SettingsRepository(client, mirror, keys.settings, tools.logger);
  const parts = { client, mirror, keys, desired, settings };
  const { agents } = createFleet(parts, { controllerId: 'own', leaseTtlMs: 10_000 }, tools);
  const stop = new AbortController();
  const running = mirror.run(stop.signal);
  const date = new Date(systemClock.nowMs());
  const identity = AgentIdentity.create({ agentId: 'x', host: 'h' });
  const times = { connectTime: date, lastSeenTime: date };
  await client.put(
    keys.agents.key('x'),
    encodeRecord({ identity, controller: 'dead', ...times, stopped: false, lastState: '' }),
  );
  return {
    agents,
    /** Writes the presence of agent x, and resolves when the view has it. */
    connect: async (controller: string, stream: string) => {
      const presence = { instance_id: 'i', host: 'h', connect_time: date.toISOString(), controller, stream };
      await client.put(keys.presence.key('x'), JSON.stringify(presence));
      await eventually(() => assert.equal(agents.presences().get('x')?.stream, stream));
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      client.close();
    },
  };
}

test('the conditions of an agent that reconnects to a controller that has already responded are unknown', async () => {
  await using view = await viewer();
  await view.connect('dead', 'former');
  const own = { id: 'own', conditions: nothing };
  const answering = { id: 'other', listConditions: async () => nothing };
  const dead = {
    id: 'dead',
    listConditions: async () => {
      await view.connect('other', 'latter');
      return undefined;
    },
  };
  assert.equal((await fleetConditions(view.agents, own, [answering, dead])).isKnown(failed), false);
  assert.equal((await fleetConditions(view.agents, own, [answering])).isKnown(failed), true);
});

test('an agent whose stream is only beginning at this controller counts as unreported', async () => {
  await using view = await viewer();
  await view.connect('own', 'beginning');
  assert.deepEqual(localConditions(view.agents, rules, systemClock.nowMs()).unreported, ['agents/x']);
});
